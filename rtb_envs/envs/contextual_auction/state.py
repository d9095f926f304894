"""The numbers of a ContextualAuction, and what it carries from step to step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.contextual_auction.catalogue import Catalogue
from rtb_envs.envs.contextual_auction.metrics import Totals
from rtb_envs.envs.contextual_auction.offers import Offers
from rtb_envs.envs.contextual_auction.rounds import Rounds


@jax.tree_util.register_dataclass
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
        """These parameters with some numbers changed."""
        return replace(self, **changes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Outcome:
    """Means over the rounds in which a bidder took part, of the last step that had any."""

    win_rate: Float[Array, "bidders"]
    price: Float[Array, "bidders"]
    """What the winner paid, whoever it was, in currency."""
    shading: Float[Array, "bidders"]
    """Share of the estimated value that was bid."""


@jax.tree_util.register_dataclass
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
