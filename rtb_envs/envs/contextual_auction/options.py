"""What a user may set of a ContextualAuction, checked once, and turned into a static configuration and parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp

from rtb_envs import validation
from rtb_envs.envs.contextual_auction.catalogue import GRID, Catalogue, compiled_sample_catalogue, on_grid
from rtb_envs.envs.contextual_auction.config import Config, ContextualPricing
from rtb_envs.envs.contextual_auction.money import MAX_AMOUNT, MICROS
from rtb_envs.envs.contextual_auction.state import MAX_HORIZON, MAX_SHADING, Params
from rtb_envs.envs.replacing import LARGE
from rtb_envs.random import Generator


@dataclass(frozen=True)
class Options:
    """Every option of ``make_multi_agent("contextual_auction_v0", ...)``.

    Wrong values raise ValueError or TypeError naming the field. Arrays may be NumPy or JAX arrays or nested lists.
    """

    # The market
    n_bidders: int = 6
    participants: int = 2
    """Bidders drawn for each round, without replacement."""
    pricing: ContextualPricing = "first_price"
    # The ads
    n_ads: int = 12
    """Ads of each bidder."""
    context_dim: int = 5
    """Entries of a user's context, without the constant of the intercept."""
    observed_dim: int = 4
    """How many of them a bidder that estimates click-through rates sees."""
    catalogue_seed: int = 0
    embedding: Any = None
    """[n_bidders, n_ads, context_dim + 1], the intercept last; None draws it."""
    value: Any = None
    """[n_bidders, n_ads], what a click is worth, a millionth to 1000 units of currency; None draws it."""
    belief: Any = None
    """[n_bidders, n_ads, observed_dim + 1], coefficients of the bidders' estimates, rounded to multiples of 1/256;
    None lets them know the truth."""
    # The episode
    horizon: int = 100
    """Steps of an episode."""
    rounds_per_step: int = 1
    """Auctions of a step; one shading factor serves them all."""
    shading_high: float = 1.0
    """The largest shading factor."""
    # Compilation
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        config = self.config()
        shape = (config.n_bidders, config.n_ads)
        validation.integer("catalogue_seed", self.catalogue_seed, 0, 2**32 - 1)
        validation.integer("horizon", self.horizon, 1, MAX_HORIZON)
        validation.number("shading_high", self.shading_high, 0, MAX_SHADING, open_low=True)
        if self.embedding is not None:
            validation.array("embedding", self.embedding, [(*shape, config.context_dim + 1)], -LARGE, LARGE)
        if self.value is not None:
            validation.array("value", self.value, [shape], 1 / MICROS, MAX_AMOUNT)
        if self.belief is not None:
            validation.array("belief", self.belief, [(*shape, config.observed_dim + 1)], -LARGE, LARGE)

    def config(self) -> Config:
        """What is static."""
        return Config(
            n_bidders=self.n_bidders,
            participants=self.participants,
            n_ads=self.n_ads,
            context_dim=self.context_dim,
            observed_dim=self.observed_dim,
            pricing=self.pricing,
            rounds_per_step=self.rounds_per_step,
            generator=self.generator,
        )

    def params(self) -> Params:
        """The numbers."""
        drawn: Catalogue = compiled_sample_catalogue()(jax.random.key(self.catalogue_seed), self.config())
        given = Catalogue(
            drawn.embedding if self.embedding is None else jnp.asarray(self.embedding, float),
            drawn.value if self.value is None else jnp.asarray(self.value, float),
        )
        return Params(
            catalogue=given,
            belief=None if self.belief is None else on_grid(jnp.asarray(self.belief, float), GRID),
            horizon=jnp.int32(self.horizon),
            shading_high=jnp.asarray(self.shading_high, float),
        )


def option_names() -> tuple[str, ...]:
    """The names of all options."""
    return tuple(field.name for field in fields(Options))
