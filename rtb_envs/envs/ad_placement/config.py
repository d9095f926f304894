"""What is fixed when an AdPlacement is compiled: sizes and rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rtb_envs import validation
from rtb_envs.auctions.mechanisms import PRICINGS, Pricing
from rtb_envs.random import GENERATORS, Generator

Market = Literal["real", "classic"]
BelowFloor = Literal["no_fill", "try_next"]

OBSERVATION_KEYS = (
    "time",
    "pressure",
    "exposures",
    "session_age",
    "slot_type",
    "viewability",
    "floor",
    "rolling_ecpm",
    "hour",
)
MAX_SLOTS = 8
MAX_ADVERTISERS = 64
MAX_SLOT_TYPES = 16
MAX_HORIZON = 100_000
MAX_CPM = 200.0
"""No bid and no floor exceeds it, in $ per mille impressions: money is counted in whole numbers of int32."""
LEAST_AMOUNT = 1e-6
"""The least of what must be above 0 (bids, values, budgets, shares): a micro-dollar. Far less is 0 in float32."""


@dataclass(frozen=True)
class Config:
    """The static configuration; wrong values raise ValueError or TypeError naming the field."""

    market: Market = "real"
    max_slots: int = 3
    """Ad slots that can be opened in one event."""
    pricing: Pricing = "second_price"
    below_floor: BelowFloor = "no_fill"
    """What happens where the best score's bid is below the floor: nothing is sold, or the next best is tried."""
    viewability: bool = True
    """Whether an ad that was sold is seen only with the slot type's viewability, or always."""
    has_noise: bool = True
    """Whether click rates are disturbed at all."""
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        validation.choice("market", self.market, get_args(Market))
        validation.integer("max_slots", self.max_slots, 1, MAX_SLOTS)
        validation.choice("pricing", self.pricing, PRICINGS)
        validation.choice("below_floor", self.below_floor, get_args(BelowFloor))
        validation.boolean("viewability", self.viewability)
        validation.boolean("has_noise", self.has_noise)
        validation.choice("generator", self.generator, GENERATORS)
