"""The auctions of some rounds: who wins, what everybody gets and pays, and what it could have done better."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.auctions.mechanisms import sealed_bid
from rtb_envs.envs.contextual_auction.config import ContextualPricing
from rtb_envs.envs.contextual_auction.money import to_micros
from rtb_envs.envs.contextual_auction.offers import Offers
from rtb_envs.envs.contextual_auction.rounds import Rounds
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class Results:
    """What rounds brought to every bidder; amounts are whole micros of currency."""

    won: Bool[Array, "bidders rounds"]
    clicked: Bool[Array, "bidders rounds"]
    """Of the won impressions."""
    price: Int[Array, "rounds"]
    """What the winner paid, 0 where nobody won."""
    welfare: Int[Array, "bidders rounds"]
    """The value of a click, where there was one."""
    spend: Int[Array, "bidders rounds"]
    surplus: Int[Array, "bidders rounds"]
    """Welfare less spend."""
    best_expected_value: Int[Array, "bidders rounds"]
    """Of the truly best ad."""
    allocation_regret: Int[Array, "bidders rounds"]
    """Expected value of the truly best ad less that of the one chosen."""
    estimation_regret: Int[Array, "bidders rounds"]
    """Expected value of the chosen ad as it was estimated, less the true one."""
    overbid_regret: Int[Array, "bidders rounds"]
    """Of won rounds: the price less the lowest at which the round was won."""
    underbid_regret: Int[Array, "bidders rounds"]
    """Of lost rounds whose price was below the true expected value: the price less the bid."""


def settle(bid: Float[Array, "bidders rounds"], offers: Offers, rounds: Rounds, pricing: ContextualPricing) -> Results:
    """Run one auction a round among those who take part; ``bid`` is in currency, for one impression.

    A bid that is not positive, or less than half a micro, abstains. Ties go to the lowest index.
    """
    bid = jnp.where(rounds.takes_part, to_micros(jnp.nan_to_num(bid)), 0)
    auction = sealed_bid(bid.T, pricing)
    won = lax.broadcasted_iota(jnp.int32, bid.shape, 0) == auction.winner
    clicked = won & (rounds.click_uniform < offers.ctr)
    price = auction.price.astype(jnp.int32)
    welfare = jnp.where(clicked, _whole(offers.value), 0)
    spend = jnp.where(won, price, 0)
    true_value = _whole(offers.ctr * offers.value)
    best = _whole(offers.best_expected_value)
    lost_cheaply = rounds.takes_part & ~won & (price < true_value)

    def of_participants(amount: Array) -> Array:
        return jnp.where(rounds.takes_part, amount, 0)

    return Results(
        won,
        clicked,
        price,
        welfare,
        spend,
        welfare - spend,
        best_expected_value=of_participants(best),
        allocation_regret=of_participants(best - true_value),
        estimation_regret=of_participants(_whole(offers.estimated_ctr * offers.value) - true_value),
        # What an exchange reports to the winner as the minimum bid to win is the second highest bid.
        overbid_regret=jnp.where(won, price - auction.min_bid_to_win.T.astype(jnp.int32), 0),
        underbid_regret=jnp.where(lost_cheaply, price - bid.astype(jnp.int32), 0),
    )


def _whole(amount: Float[Array, "*shape"]) -> Int[Array, "*shape"]:
    return to_micros(amount).astype(jnp.int32)
