"""The rules that a learner is compared with, tuned for the market in which they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents import registry
from rtb_envs.core import Environment
from rtb_envs.rollouts import tune
from training.held_out import Method

TUNING_EPISODES = 128
TUNING_SEED = 0

Grid = Mapping[str, Sequence[float]]
# Rule -> label and grid. Multipliers are shares of the best constant one, which is found first.
_PACING_RULES: dict[str, tuple[str, Grid]] = {
    "pid": (
        "PID pacing, tuned",
        {
            "base_multiplier": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15),
            "proportional_gain": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
            "integral_gain": (0.0, 0.03, 0.1, 0.3),
            "derivative_gain": (0.0, 0.5, 1.0),
        },
    ),
    "adaptive_pacing": (
        "adaptive pacing, tuned",
        {
            "value_multiplier": (1.0, 2.0, 4.0, 8.0, 16.0),
            "initial_dual": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
            "step_size": (0.1, 0.3, 1.0, 3.0, 10.0),
        },
    ),
}
_MULTIPLIERS = ("base_multiplier", "value_multiplier")


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
        _tuned(name, label, _scaled(grid, best), env, params, score) for name, (label, grid) in _PACING_RULES.items()
    ]
    return [random, constant, *rules]


def _tuned(name: str, label: str, grid: Grid, env: Environment[Any, Any, Any], params: Any, score: str) -> Method:
    def family(env: Environment[Any, Any, Any], params: Any, **settings: float) -> Any:
        return registry.make_rule(name, env, params, **settings)

    tuning = tune(env, family, grid, TUNING_EPISODES, TUNING_SEED, params, score=score)
    return Method(name, label, tuning.policy, tuning.settings)


def _scaled(grid: Grid, multiplier: float) -> Grid:
    """``grid`` with its multipliers in the market's unit."""
    return {
        name: [value * multiplier for value in values] if name in _MULTIPLIERS else values
        for name, values in grid.items()
    }
