"""The auction of one opportunity: from actions to who wins, what it pays, and what its intensity costs besides."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.auctions.mechanisms import Pricing, clearing_price
from rtb_envs.envs.retargeting.config import (
    HIGHEST_BID,
    HIGHEST_INTENSITY,
    LOWEST_BID,
    LOWEST_INTENSITY,
    UNITS,
)
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.users.exact import once

IN_TARGET, OFF_TARGET = 1.2, 0.5
"""What a bid is multiplied with when the customer is in the targeted stage, and when not."""
NUM_STAGES = 6


class Bids(NamedTuple):
    """What the agents' actions mean for one opportunity."""

    bid: Int[Array, "agents"]
    """Effective, in money units."""
    surcharge_rate: Int[Array, "agents"]
    """Surcharge over price, in ten-thousandths."""
    intensity: Float[Array, "agents"]


class Auction(NamedTuple):
    """The outcome."""

    winner: Int[Array, ""]
    """-1 where nobody takes part."""
    takes_part: Bool[Array, "agents"]
    price: Int[Array, ""]
    """Clearing price in money units, 0 without a winner."""
    surcharge: Int[Array, ""]


def read_action(action: Float[Array, "agents 3"], stage: Int[Array, ""], params: Params) -> Bids:
    """Clip actions to their space and turn them into effective bids; NaN means the lowest value."""
    low = jnp.array([LOWEST_BID, 0.0, LOWEST_INTENSITY], float)
    high = jnp.array([HIGHEST_BID, NUM_STAGES - 1.0, HIGHEST_INTENSITY], float)
    clean = jnp.clip(jnp.where(jnp.isnan(action), -jnp.inf, action), low, high)
    bid, target, intensity = clean[:, 0], clean[:, 1], clean[:, 2]
    targeted = jnp.floor(target + 0.5).astype(jnp.int32) == stage
    effective = jnp.clip(bid * jnp.where(targeted, IN_TARGET, OFF_TARGET), LOWEST_BID, HIGHEST_BID)
    rate = jnp.round(UNITS * params.surcharge_rate * (intensity - 1) ** 2).astype(jnp.int32)
    return Bids(jnp.round(effective * UNITS).astype(jnp.int32), rate, intensity)


def surcharge(price: Int[Array, "*batch"], rate: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
    """``price`` times ``rate`` ten-thousandths in money units, rounded half up; exact, because it is done in uint32.

    Prices up to 20 dollars and rates up to 2 fit.
    """
    product = price.astype(jnp.uint32) * rate.astype(jnp.uint32)
    rounded: Array = (product + jnp.uint32(UNITS // 2)) // jnp.uint32(UNITS)
    return rounded.astype(jnp.int32)


def hold_auction(
    bids: Bids, playing: Bool[Array, "agents"], remaining: Int[Array, "agents"], params: Params, pricing: Pricing
) -> Auction:
    """Sell one impression: sealed bids, ties to the lowest index.

    An agent takes part if its bid reaches the reserve price and bid and surcharge are within what it has left. Under
    "second_price" the winner pays the larger of the second bid and the reserve price, plus the increment, but never
    more than its bid.
    """
    most = bids.bid + surcharge(bids.bid, bids.surcharge_rate)
    takes_part = playing & (bids.bid >= params.reserve_price) & (most <= remaining)
    offered = jnp.where(takes_part, bids.bid, -1)
    winner = jnp.argmax(offered).astype(jnp.int32)
    wins = jnp.arange(offered.shape[0]) == winner
    best = jnp.max(offered)
    second = jnp.maximum(jnp.max(jnp.where(wins, -1, offered)), params.reserve_price)
    raised = jnp.minimum(second + params.increment, best)
    charged = clearing_price(best, raised, pricing, params.reserve_price, params.hybrid_weight)
    sold = best >= 0
    price = once(jnp.where(sold, jnp.floor(charged).astype(jnp.int32), 0))
    rate = jnp.max(jnp.where(wins, bids.surcharge_rate, 0))
    return Auction(once(jnp.where(sold, winner + 1, 0)) - 1, takes_part, price, once(surcharge(price, rate)))
