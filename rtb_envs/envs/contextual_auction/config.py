"""The static configuration of ContextualAuction: what fixes shapes and program, validated once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rtb_envs import validation
from rtb_envs.random import GENERATORS, Generator

ContextualPricing = Literal["second_price", "first_price"]
CONTEXTUAL_PRICINGS: tuple[ContextualPricing, ...] = ("second_price", "first_price")
MAX_BIDDERS = 256
MAX_ADS = 1024
MAX_CONTEXT_DIM = 1024
MAX_ROUNDS = 2**15
"""Rounds whose amounts are summed together: their sums can not overflow, see ``money``."""


@dataclass(frozen=True)
class Config:
    """What a compiled ContextualAuction is specialised on. Hashable; wrong values raise ValueError or TypeError."""

    n_bidders: int = 6
    participants: int = 2
    """Bidders drawn for each round, without replacement."""
    n_ads: int = 12
    """Ads of each bidder."""
    context_dim: int = 5
    """Entries of a user's context, without the constant of the intercept."""
    observed_dim: int = 4
    """How many of them, the first ones, a bidder sees that is no oracle."""
    pricing: ContextualPricing = "first_price"
    rounds_per_step: int = 1
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        validation.integer("n_bidders", self.n_bidders, 1, MAX_BIDDERS)
        validation.integer("participants", self.participants, 1, self.n_bidders)
        validation.integer("n_ads", self.n_ads, 1, MAX_ADS)
        validation.integer("context_dim", self.context_dim, 1, MAX_CONTEXT_DIM)
        validation.integer("observed_dim", self.observed_dim, 0, self.context_dim)
        validation.choice("pricing", self.pricing, CONTEXTUAL_PRICINGS)
        validation.integer("rounds_per_step", self.rounds_per_step, 1, MAX_ROUNDS)
        validation.choice("generator", self.generator, GENERATORS)
