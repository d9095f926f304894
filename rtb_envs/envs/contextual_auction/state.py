"""The numbers of a ContextualAuction, and what it carries from step to step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.contextual_auction.catalogue import GRID, Catalogue, on_grid
from rtb_envs.envs.contextual_auction.metrics import Totals
from rtb_envs.envs.contextual_auction.money import MAX_AMOUNT, MICROS
from rtb_envs.envs.contextual_auction.offers import Offers
from rtb_envs.envs.contextual_auction.rounds import Rounds
from rtb_envs.envs.replacing import LARGE, Range, fitted, fitted_part, known_fields
from rtb_envs.pytrees import pytree
from rtb_envs.tracing import checked

MAX_SHADING = 100.0
MAX_HORIZON = 10_000_000
RANGES = {"horizon": Range(1, MAX_HORIZON), "shading_high": Range(0, MAX_SHADING, open_low=True)}
CATALOGUE_RANGES = {"embedding": Range(-LARGE, LARGE), "value": Range(1 / MICROS, MAX_AMOUNT)}


@pytree
@dataclass(frozen=True)
class Params:
    """Every number of the market."""

    catalogue: Catalogue
    belief: Float[Array, "bidders ads observed"] | None
    """Coefficients of the bidders' estimates of click-through rates; None where they know the true ones."""
    horizon: Int[Array, ""]
    """Steps of an episode."""
    shading_high: Float[Array, ""]
    """The largest shading factor."""

    def replace(self, **changes: Any) -> Params:
        """These parameters with some numbers changed, each in the type and shape that it had.

        ``catalogue`` takes a ``Catalogue``. ``belief`` is rounded as the option is, and None or, where it was None,
        [bidders, ads, 1 .. features]. Raises TypeError or ValueError, naming the field, for what an option would be
        refused for. Works under jit and vmap: numbers that are traced are clipped to their ranges.
        """
        known_fields(self, changes)
        special: dict[str, Any] = {}
        if "catalogue" in changes:
            special["catalogue"] = fitted_part("catalogue", changes.pop("catalogue"), self.catalogue, CATALOGUE_RANGES)
        if "belief" in changes:
            special["belief"] = self._fitted_belief(changes.pop("belief"))
        return replace(self, **fitted(self, changes, RANGES), **special)

    def _fitted_belief(self, belief: Any) -> Array | None:
        if belief is None:
            return None
        given = jnp.asarray(checked("belief", belief, -LARGE, LARGE), float)
        ads, features = self.catalogue.value.shape, self.catalogue.embedding.shape[-1]
        observed = range(1, features + 1) if self.belief is None else (self.belief.shape[-1],)
        if given.shape not in [(*ads, count) for count in observed]:
            sizes = f"{observed[0]}" if len(observed) == 1 else f"1 to {features}"
            raise ValueError(f"belief must have shape {ads} and {sizes} coefficients, got shape {given.shape}")
        return on_grid(given, GRID)


@pytree
@dataclass(frozen=True)
class Outcome:
    """Means over the rounds in which a bidder took part, of the last step that had any."""

    win_rate: Float[Array, "bidders"]
    price: Float[Array, "bidders"]
    """What the winner paid, whoever it was, in currency."""
    shading: Float[Array, "bidders"]
    """Share of the estimated value that was bid."""


@pytree
@dataclass(frozen=True)
class State:
    """One market in progress: the rounds that come next, and what the last ones brought."""

    t: Int[Array, ""]
    rounds: Rounds
    """The coming step's; hidden from the bidders but for who takes part."""
    offers: Offers
    """The coming step's; the true click-through rates are hidden from bidders who do not know them."""
    episode: Totals
    """Sums over the episode so far."""
    last: Outcome
