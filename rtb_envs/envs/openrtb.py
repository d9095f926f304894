"""Single auctions of one bidder under the names of OpenRTB 2.6: the columns that every environment's logs share.

Prices are per mille, as OpenRTB has them: 1000 times the money of one charged event.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.auctions.mechanisms import Pricing

AUCTION_TYPES: dict[Pricing, int] = {"first_price": 1, "second_price": 2, "hybrid": 500}
"""BidRequest.at; from 500 on they are the exchange's own."""
WON, BELOW_FLOOR, OUTBID = 0, 100, 102
"""Loss reason codes."""
BIDS, BUDGET_EXHAUSTED, THROTTLED = -1, 501, 502
"""No-bid reason codes, of those from 500 on that OpenRTB leaves to the bidder; -1 where there is a bid."""
_PER_MILLE = 1000.0


def bid_columns(
    pricing: Pricing,
    floor: Float[Array, ""],
    bid: Float[Array, "auctions"],
    no_bid_reason: Int[Array, "auctions"],
    won: Bool[Array, "auctions"],
    clearing_price: Float[Array, "auctions"],
    price_to_beat: Float[Array, "auctions"],
) -> dict[str, Array]:
    """What is told of a bid in each auction; money in the bidder's own unit, all arrays [auctions].

    - ``at``: auction type, 1 first price, 2 second price (with several slots the generalised one), 500 hybrid.
    - ``bidfloor``: the reserve price.
    - ``price``: the bid, NaN if there is none; ``nbr``: 501 where the budget pays for no more, 502 where the policy
      bids nothing, -1 where there is a bid.
    - ``loss``: 0 won, 100 below the floor, 102 outbid, -1 without a bid.
    - ``auction_price``: what a charged event costs the winner, NaN unless won; ``auction_mbr``: its ratio to the bid.
    - ``auction_min_to_win``: the price to beat, the highest competing bid or the floor.
    """
    has_bid = no_bid_reason == BIDS
    won = won & has_bid
    floor = jnp.full(bid.shape, floor, jnp.float32)
    bid, clearing_price = bid.astype(jnp.float32), clearing_price.astype(jnp.float32)
    nothing = jnp.float32(jnp.nan)
    reason = jnp.where(bid < floor, BELOW_FLOOR, OUTBID)
    return {
        "at": jnp.full(bid.shape, AUCTION_TYPES[pricing], jnp.int32),
        "bidfloor": _PER_MILLE * floor,
        "price": jnp.where(has_bid, _PER_MILLE * bid, nothing),
        "nbr": no_bid_reason,
        "loss": jnp.where(has_bid, jnp.where(won, WON, reason), -1),
        "auction_price": jnp.where(won, _PER_MILLE * clearing_price, nothing),
        "auction_min_to_win": _PER_MILLE * jnp.maximum(price_to_beat, floor),
        "auction_mbr": jnp.where(won, clearing_price / jnp.where(won, bid, 1), nothing),
    }
