"""Compiled rollouts: a policy in many copies of an environment, and what their episodes brought.

The whole rollout is one compiled program. Lanes run in chunks small enough for the processor's cache, one chunk after
the other and each for all its steps; only sums over finished episodes are kept, so memory does not grow with the number
of steps. Results do not depend on the chunking.
"""

from rtb_envs.rollouts.lanes import rollout, run_lanes
from rtb_envs.rollouts.result import Rollout
from rtb_envs.rollouts.tuning import Tuning, tune

__all__ = ["Rollout", "Tuning", "rollout", "run_lanes", "tune"]
