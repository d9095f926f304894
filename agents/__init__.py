"""What learns: PPO, its networks and normalisers, saved policies, and one registry of rules and learners."""

from agents.saved import SavedPolicy, load, save

__all__ = ["SavedPolicy", "load", "save"]
