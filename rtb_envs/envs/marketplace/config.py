"""The static configuration of a marketplace: what fixes shapes and program, validated once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rtb_envs import validation
from rtb_envs.envs.marketplace.schedule import Schedule, schedule
from rtb_envs.random import GENERATORS, Generator

Scenario = Literal["a", "b", "c"]
SCENARIOS: tuple[Scenario, ...] = ("a", "b", "c")
EXCHANGE, DIRECT, LEDGER = range(3)
"""The scenarios by number: an exchange, direct trade from memory, direct trade over a shared ledger."""
SCENARIO_NAMES = {"a": "exchange", "b": "direct", "c": "ledger"}

CHANNELS = ("display", "video", "ctv", "native")
CLAIM_KINDS = ("price", "inventory", "delivery", "history")
FACTS = 12
"""Facts that a buyer starts with: a floor and an inventory belief for each of 5 sellers, its goal and its spend."""

FeeMode = Literal["deduct", "markup"]
SellerRole = Literal["scripted", "learning"]
MAX_BUYERS = 64
MAX_SELLERS = 64
MAX_CAMPAIGNS = 512
"""Of all buyers together."""
MAX_DAYS = 366


@dataclass(frozen=True)
class Config:
    """What a compiled marketplace is specialised on. Hashable; wrong values raise ValueError or TypeError."""

    buyers: int = 5
    sellers: int = 5
    campaigns_per_buyer: int = 10
    days: int = 30
    """Day 1 is a Monday."""
    packages_per_campaign: float = 4.0
    """Impression packages offered on a weekday, for each campaign in the market."""
    fee_mode: FeeMode = "deduct"
    """Whether the exchange keeps its fee of what the buyer pays, or adds it on top."""
    seller_role: SellerRole = "scripted"
    """Whether sellers keep to their floors, or are agents that multiply them."""
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        validation.integer("buyers", self.buyers, 1, MAX_BUYERS)
        validation.integer("sellers", self.sellers, 1, MAX_SELLERS)
        validation.integer("campaigns_per_buyer", self.campaigns_per_buyer, 1, MAX_CAMPAIGNS // self.buyers)
        validation.integer("days", self.days, 1, MAX_DAYS)
        validation.number("packages_per_campaign", self.packages_per_campaign, 0.1, 20)
        validation.choice("fee_mode", self.fee_mode, get_args(FeeMode))
        validation.choice("seller_role", self.seller_role, get_args(SellerRole))
        validation.choice("generator", self.generator, GENERATORS)

    @property
    def campaigns(self) -> int:
        """Campaigns of all buyers; buyer i owns those from i · campaigns_per_buyer on."""
        return self.buyers * self.campaigns_per_buyer

    @property
    def schedule(self) -> Schedule:
        """When packages are offered."""
        return schedule(self.days, self.campaigns, self.packages_per_campaign)
