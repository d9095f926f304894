"""The rules that are compared, with the settings that are tried when they are tuned."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agents import registry
from rtb_envs.core import Environment
from rtb_envs.policies.policy import Policy
from training.rule_grids import COST_TARGET_GRIDS, RULE_GRIDS

MOST_SETTINGS = 30
"""Of a larger grid so many points are tried, chosen by a fixed seed."""
_CHOICE_SEED = 0

Settings = dict[str, float]
Units = Mapping[str, float]
# Settings that a grid gives as shares of a quantity of the market: the best constant multiplier, which is found first,
# or the standard bid price.
_UNITS = {
    "base_multiplier": "linear",
    "value_multiplier": "linear",
    "multiplier": "linear",
    "bid": "standard_bid_price",
    "highest_bid": "standard_bid_price",
}
_BIDS = tuple(np.geomspace(1 / 64, 8, MOST_SETTINGS).tolist())


@dataclass(frozen=True)
class Rule:
    """A rule of ``agents.registry``: its label in tables, what kind of knowledge it has, and its grid."""

    name: str
    label: str
    grid: Mapping[str, Sequence[float]] = field(default_factory=dict)
    knows_distribution: bool = False
    """Whether it is told the distribution of prices and rates that logs of earlier episodes show."""
    needs_bid_curves: bool = False
    """Whether it plays only where actions are bid curves."""

    def settings(self, units: Units, *, keeps_target: bool = False) -> list[Settings]:
        """What to try: every combination of the grid, or ``MOST_SETTINGS`` of them.

        ``keeps_target`` says that the market has a target cost per action, by which the grids of some rules grow.
        """
        grid = {**self.grid, **(COST_TARGET_GRIDS.get(self.name, {}) if keeps_target else {})}
        values = {
            name: [value * units[_UNITS[name]] if name in _UNITS else value for value in grid[name]] for name in grid
        }
        points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
        if len(points) <= MOST_SETTINGS:
            return points
        chosen = np.random.default_rng(_CHOICE_SEED).choice(len(points), MOST_SETTINGS, replace=False)
        return [points[i] for i in sorted(chosen)]

    def policy(self, env: Environment[Any, Any, Any], params: Any, distribution: Any, settings: Settings) -> Policy:
        """The rule with these settings."""
        told = {"distribution": distribution} if self.knows_distribution else {}
        return registry.make_rule(self.name, env, params, **told, **settings)


LINEAR = Rule("linear", "linear", {"multiplier": np.geomspace(0.1, 10, MOST_SETTINGS).tolist()})
"""Comes first in every market, because its best multiplier is the unit of the other rules' settings."""
RULES: tuple[Rule, ...] = (
    LINEAR,
    Rule("random", "random multiplier"),
    Rule("constant_bid", "constant bid", {"bid": _BIDS}, needs_bid_curves=True),
    Rule("random_bid", "random bid", {"highest_bid": _BIDS}, needs_bid_curves=True),
    Rule("mcpc", "max eCPC", knows_distribution=True, needs_bid_curves=True),
    Rule("ortb1", "ORTB1", knows_distribution=True, needs_bid_curves=True),
    Rule("ortb2", "ORTB2", knows_distribution=True, needs_bid_curves=True),
    Rule("rlb", "RLB", {"num_points": (129,)}, knows_distribution=True, needs_bid_curves=True),
    Rule("truthful", "truthful", needs_bid_curves=True),
    Rule(
        "bid_shading",
        "bid shading",
        {"value_multiplier": np.geomspace(0.5, 64, MOST_SETTINGS).tolist()},
        knows_distribution=True,
        needs_bid_curves=True,
    ),
    Rule(
        "dual_ogd",
        "DualOGD",
        {
            "value_multiplier": (1.5, 2.0, 4.0, 8.0, 16.0),
            "initial_dual": (0.5, 1.0, 2.0, 4.0, 8.0),
            "step_size": (0.03, 0.1, 0.3, 1.0, 3.0),
        },
        knows_distribution=True,
        needs_bid_curves=True,
    ),
    Rule(
        "throttling",
        "throttling",
        {"multiplier": (0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0), "adjustment": (0.03, 0.1, 0.2, 0.4)},
        knows_distribution=True,
        needs_bid_curves=True,
    ),
    *(Rule(name, label.removesuffix(", tuned"), grid) for name, (label, grid) in RULE_GRIDS.items()),
)


def by_name(names: Sequence[str] | None) -> list[Rule]:
    """The linear rule and those of these names, in the table's order; all for None. ValueError for an unknown name."""
    known = [rule.name for rule in RULES]
    for name in names or ():
        if name not in known:
            raise ValueError(f"rule must be one of {', '.join(known)}; got {name!r}")
    return [rule for rule in RULES if names is None or rule.name in names or rule == LINEAR]
