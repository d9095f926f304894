"""The rules that a learner is compared with, tuned for the market in which they are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents import registry
from rtb_envs.core import Environment
from rtb_envs.rollouts import tune
from training.held_out import Method
from training.rule_grids import PLACEMENT_GRIDS, RULE_GRIDS, Grid, scaled

TUNING_EPISODES = 128
TUNING_SEED = 0

_PACING_RULES = ("pid", "adaptive_pacing")


@dataclass(frozen=True)
class Search:
    """A market in which rules are tuned by the mean of ``score``, a name of ``Rollout.totals``.

    All rules meet the same episodes, which no training and no held-out evaluation meets.
    """

    env: Environment[Any, Any, Any]
    params: Any
    score: str

    def tuned(self, name: str, label: str, grid: Grid) -> Method:
        """The rule ``name`` with its best settings of ``grid``."""

        def family(env: Environment[Any, Any, Any], params: Any, **settings: Any) -> Any:
            return registry.make_rule(name, env, params, **settings)

        tuning = tune(self.env, family, grid, TUNING_EPISODES, TUNING_SEED, self.params, score=self.score)
        return Method(name, label, tuning.policy, tuning.settings)


Rules = Callable[[Search], list[Method]]
"""The rules that compete in a kind of market."""


def tuned_rules(env: Environment[Any, Any, Any], params: Any, score: str, rules: Rules) -> list[Method]:
    """Random actions, and ``rules`` with their best settings for ``params``."""
    random = Method("random", "random", registry.make_rule("random", env, params))
    return [random, *rules(Search(env, params, score))]


def pacing_rules(search: Search) -> list[Method]:
    """Of a market in which a budget is paced by one bid multiplier; none where actions are no multipliers."""
    if not hasattr(search.params, "multiplier_low"):
        return []
    low, high = float(search.params.multiplier_low), float(search.params.multiplier_high)
    multipliers = np.geomspace(low, high, 81).clip(low, high)
    constant = search.tuned("linear", "constant multiplier, tuned", {"multiplier": multipliers.tolist()})
    best = constant.parameters["multiplier"]
    rules = [search.tuned(name, RULE_GRIDS[name][0], scaled(RULE_GRIDS[name][1], best)) for name in _PACING_RULES]
    return [constant, *rules]


def placement_rules(search: Search) -> list[Method]:
    """Of a market in which a publisher opens ad slots."""
    most = search.env.config.max_slots  # type: ignore[attr-defined]
    slots = {"slots_per_open": range(1, most + 1), "max_slots": range(1, most + 1)}
    rules = []
    for name, (label, grid) in PLACEMENT_GRIDS.items():
        rules.append(
            search.tuned(name, label, {setting: slots.get(setting, values) for setting, values in grid.items()})
        )
    return rules
