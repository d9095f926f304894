"""What an AdAuction carries from step to step, and what it offers in an auction."""

from __future__ import annotations

from dataclasses import dataclass

from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.ad_auction.settlement import StepTotals
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class State:
    """One market in progress. Counts and money are int32, hence exact."""

    t: Int[Array, ""]
    remaining_budget: Int[Array, ""]
    drift_sign: Float[Array, ""]
    """Hidden: whether prices rise (+1) or fall (-1)."""
    shock_step: Int[Array, ""]
    """Hidden: the step in which the price shock begins."""
    episode: StepTotals
    """Sums over the episode so far."""
    consumption_rate: Float[Array, ""]
    """Last step: cost as a share of the budget it started with."""
    cost_per_mille: Float[Array, ""]
    win_rate: Float[Array, ""]
    reward: Float[Array, ""]
    multiplier: Float[Array, ""]


@pytree
@dataclass(frozen=True)
class Offer:
    """What is known of some auctions before any bid; every field has the shape of their index."""

    price: Float[Array, "*auctions"]
    """Highest competing bid."""
    click_rate: Float[Array, "*auctions"]
    conversion_rate: Float[Array, "*auctions"]
    """Of a click."""
    unit_bid: Float[Array, "*auctions"]
    """Bid at multiplier 1, before it is floored."""


@pytree
@dataclass(frozen=True)
class Hindsight:
    """What a bidder who knows the episode's draws could expect to earn, in conversions (or clicks)."""

    optimum: Float[Array, ""]
    """R*: the fractional knapsack over single auctions."""
    ceiling: Float[Array, ""]
    """The best multiplier of each step, one for all its auctions; at most the optimum."""
