"""Episodes of Retargeting, recorded for reports and shown as they are played."""
