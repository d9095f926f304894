"""The pacing benchmark: every rule and learner in every market at every budget, on common random numbers."""
