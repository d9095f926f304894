"""Off-policy evaluation: what a policy would earn, from episodes that another one logged.

``evaluate`` does all of it for an ``EpisodeLog``; ``estimators`` and ``intervals`` are pure functions over arrays, for
logs of any origin.
"""

from rtb_envs.off_policy.estimators import (
    Contributions,
    doubly_robust,
    effective_sample_size,
    importance_sampling,
    per_decision_importance_sampling,
    weighted_importance_sampling,
)
from rtb_envs.off_policy.evaluation import Evaluation, evaluate
from rtb_envs.off_policy.intervals import Estimate, bootstrap

__all__ = [
    "Contributions",
    "Estimate",
    "Evaluation",
    "bootstrap",
    "doubly_robust",
    "effective_sample_size",
    "evaluate",
    "importance_sampling",
    "per_decision_importance_sampling",
    "weighted_importance_sampling",
]
