"""The rules that a learner is compared with, tuned for the market in which they are compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents import registry
from rtb_envs.core import Environment
from rtb_envs.rollouts import tune
from training.held_out import Method
from training.rule_grids import RULE_GRIDS, Grid, scaled

TUNING_EPISODES = 128
TUNING_SEED = 0

_PACING_RULES = ("pid", "adaptive_pacing")


def tuned_rules(env: Environment[Any, Any, Any], params: Any, score: str) -> list[Method]:
    """Random actions, and in a bidding environment every pacing rule with its best settings for ``params``.

    Each is tuned by the mean of ``score`` (a name of ``Rollout.totals``) in the same episodes, which no training and no
    held-out evaluation meets.
    """
    random = Method("random", "random", registry.make_rule("random", env, params))
    if not hasattr(params, "multiplier_low"):
        return [random]
    low, high = float(params.multiplier_low), float(params.multiplier_high)
    multipliers = np.geomspace(low, high, 81).clip(low, high)
    constant = _tuned("linear", "constant multiplier, tuned", {"multiplier": multipliers.tolist()}, env, params, score)
    best = constant.parameters["multiplier"]
    rules = [
        _tuned(name, label, scaled(grid, best), env, params, score)
        for name, (label, grid) in RULE_GRIDS.items()
        if name in _PACING_RULES
    ]
    return [random, constant, *rules]


def _tuned(name: str, label: str, grid: Grid, env: Environment[Any, Any, Any], params: Any, score: str) -> Method:
    def family(env: Environment[Any, Any, Any], params: Any, **settings: float) -> Any:
        return registry.make_rule(name, env, params, **settings)

    tuning = tune(env, family, grid, TUNING_EPISODES, TUNING_SEED, params, score=score)
    return Method(name, label, tuning.policy, tuning.settings)
