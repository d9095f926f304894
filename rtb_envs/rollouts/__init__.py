"""Compiled rollouts: a policy in many copies of an environment, and what their episodes brought.

The whole rollout is one compiled program. Lanes run in chunks small enough for the processor's cache, one chunk after
the other and each for all its steps; only sums over finished episodes are kept, so memory does not grow with the number
of steps. Results do not depend on the chunking.

``log_episodes`` and ``log_auctions`` run the same episodes and keep all that happened in them.
"""

from rtb_envs.rollouts.auctions import auction_chunks, log_auctions
from rtb_envs.rollouts.episodes import episode_chunks, log_episodes
from rtb_envs.rollouts.lanes import rollout, run_lanes
from rtb_envs.rollouts.result import Rollout
from rtb_envs.rollouts.tuning import Tuning, tune

__all__ = [
    "Rollout",
    "Tuning",
    "auction_chunks",
    "episode_chunks",
    "log_auctions",
    "log_episodes",
    "rollout",
    "run_lanes",
    "tune",
]
