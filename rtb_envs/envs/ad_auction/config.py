"""The static configuration of AdAuction: what fixes shapes and program, validated once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rtb_envs import validation
from rtb_envs.auctions.mechanisms import PRICINGS, Pricing
from rtb_envs.random import GENERATORS, Generator

Objective = Literal["conversion", "click"]
CostIndicator = Literal["click", "impression", "conversion"]
BudgetRule = Literal["stop", "skip"]
Compat = Literal["rtbgym"]
ActionKind = Literal["continuous", "discrete", "bid_curve"]

OBSERVATION_KEYS = (
    "timestep",
    "remaining_budget",
    "consumption_rate",
    "cost_per_mille",
    "win_rate",
    "reward",
    "multiplier",
)
MAX_AUCTIONS = 1008
MAX_BID = 2**20
"""Higher bids are cut to this one, and charges too: sums of bids stay within int32."""
MAX_BUDGET = 2**24
"""Budgets are exact as float32 observations up to here, and sums of costs far from overflow."""
MAX_VOLUME = 2**24
MAX_EPISODE_VOLUME = 2**31 - 1
"""Auctions of an episode are counted in int32."""
MAX_HORIZON = 100_000


@dataclass(frozen=True)
class Config:
    """What a compiled AdAuction is specialised on. Hashable; wrong values raise ValueError or TypeError."""

    max_horizon: int = 7
    """Length of every array over time; the episode's ``horizon`` may be shorter."""
    max_auctions: int = 256
    """Auctions of a step that are computed at once, a multiple of 16; more are computed block by block."""
    largest_search_volume: int = 309
    """A bound on every drawn volume; bounds the observation and sizes the hindsight optimum."""
    objective: Objective = "conversion"
    cost_indicator: CostIndicator = "click"
    pricing: Pricing = "second_price"
    budget_rule: BudgetRule = "stop"
    action_kind: ActionKind = "continuous"
    observation_keys: tuple[str, ...] = OBSERVATION_KEYS
    generator: Generator = "counter"
    compat: Compat | None = None

    def __post_init__(self) -> None:
        validation.integer("max_horizon", self.max_horizon, 1, MAX_HORIZON)
        validation.integer("max_auctions", self.max_auctions, 16, MAX_AUCTIONS)
        if self.max_auctions % 16:
            raise validation.wrong_value("max_auctions", "a multiple of 16", self.max_auctions)
        validation.integer("largest_search_volume", self.largest_search_volume, 1, MAX_VOLUME)
        validation.choice("objective", self.objective, get_args(Objective))
        validation.choice("cost_indicator", self.cost_indicator, get_args(CostIndicator))
        validation.choice("pricing", self.pricing, PRICINGS)
        validation.choice("budget_rule", self.budget_rule, get_args(BudgetRule))
        validation.choice("action_kind", self.action_kind, get_args(ActionKind))
        validation.choice("generator", self.generator, GENERATORS)
        validation.choice("compat", self.compat, (None, *get_args(Compat)))
        if not isinstance(self.observation_keys, tuple):
            raise validation.wrong_type("observation_keys", "a non-empty tuple of names", self.observation_keys)
        if not self.observation_keys:
            raise validation.wrong_value("observation_keys", "a non-empty tuple of names", self.observation_keys)
        for key in self.observation_keys:
            validation.choice("observation_keys", key, OBSERVATION_KEYS)
        if len(set(self.observation_keys)) < len(self.observation_keys):
            raise validation.wrong_value("observation_keys", "distinct names", self.observation_keys)
