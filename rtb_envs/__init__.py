"""Auctions, budgets and customer journeys as compiled reinforcement-learning environments.

Importing this package registers its environments with Gymnasium and loads neither JAX nor matplotlib::

    import gymnasium, rtb_envs

    env = gymnasium.make("AdAuction-v0")                      # one environment, NumPy in and out
    envs = gymnasium.make_vec("AdAuction-v0", num_envs=1024)  # a compiled batch
    core = rtb_envs.make("AdAuction-v0")                      # the functional core, for JAX code
    rtb_envs.list_envs()                                      # every id
    rtb_envs.rollout(core, policy, num_envs=1024, num_steps=7, seed=0)
    rtb_envs.log_episodes(core, policy, num_episodes=1024, seed=0)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rtb_envs.registry import list_envs, list_multi_agent_envs

if TYPE_CHECKING:
    from rtb_envs.core import make
    from rtb_envs.multi_agent import make_multi_agent
    from rtb_envs.rollouts import log_auctions, log_episodes, rollout

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "list_envs",
    "list_multi_agent_envs",
    "log_auctions",
    "log_episodes",
    "make",
    "make_multi_agent",
    "rollout",
]

_LAZY = {
    "log_auctions": "rtb_envs.rollouts",
    "log_episodes": "rtb_envs.rollouts",
    "make": "rtb_envs.core",
    "make_multi_agent": "rtb_envs.multi_agent",
    "rollout": "rtb_envs.rollouts",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
