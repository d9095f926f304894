"""Who wins a single-slot sealed-bid auction, what the winner pays, and what bid would have won.

Every function is elementwise over its batch shape. Prices and bids share one money unit, which is the caller's.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Int, Real

from rtb_envs import validation
from rtb_envs.auctions.arguments import common_shape, some_bids
from rtb_envs.auctions.ranking import participating_score, rank
from rtb_envs.tracing import checked

Pricing = Literal["second_price", "first_price", "hybrid"]
PRICINGS: tuple[Pricing, ...] = get_args(Pricing)


def clearing_price(
    bid: Real[ArrayLike, "*#batch"],
    competing_bid: Real[ArrayLike, "*#batch"],
    pricing: Pricing,
    reserve_price: Real[ArrayLike, "*#batch"] = 0.0,
    hybrid_weight: Real[ArrayLike, "*#batch"] = 0.0,
    soft_floor: Real[ArrayLike, "*#batch"] | None = None,
) -> Real[Array, "*batch"]:
    """What a winner pays; the value has no meaning for a bid that ``wins`` does not call a winner.

    ``second_price`` (Vickrey 1961): the larger of the highest competing bid and the reserve price. ``first_price``: the
    bid. ``hybrid``: ``hybrid_weight`` of the first price plus the rest of the second, ``hybrid_weight`` in [0, 1].
    A ``soft_floor`` changes the second price (Zeithammer, Management Science 65(9), 2019): a bid below it pays itself,
    any other pays at least the soft floor. A winner's price lies between the reserve price and the bid.

    Raises ValueError for another ``pricing``, for shapes that do not broadcast and, of numbers that are not traced, for
    bids that are not finite and for a reserve price, soft floor (>= 0) or weight out of range.
    """
    validation.choice("pricing", pricing, PRICINGS)
    bid, competing_bid = checked("bid", bid), checked("competing_bid", competing_bid)
    reserve_price, hybrid_weight, soft_floor = _terms(reserve_price, hybrid_weight, soft_floor)
    common_shape(
        jnp.shape(bid),
        competing_bid=competing_bid,
        reserve_price=reserve_price,
        hybrid_weight=hybrid_weight,
        soft_floor=soft_floor,
    )
    dtype = jnp.result_type(bid, competing_bid, reserve_price, jnp.float32)
    second, first = jnp.broadcast_arrays(jnp.maximum(competing_bid, reserve_price), bid)
    second, first = second.astype(dtype), first.astype(dtype)
    if soft_floor is not None:
        second = jnp.minimum(jnp.maximum(second, soft_floor), first).astype(dtype)
    if pricing == "second_price":
        return second
    if pricing == "first_price":
        return first
    return jnp.minimum(second + hybrid_weight * (first - second), first)  # rounding must not lift it over the bid


def wins(
    bid: Real[ArrayLike, "*#batch"],
    competing_bid: Real[ArrayLike, "*#batch"],
    reserve_price: Real[ArrayLike, "*#batch"] = 0.0,
) -> Bool[Array, "*batch"]:
    """Whether ``bid`` exceeds the highest competing bid (a tie is lost) and reaches the reserve price.

    Raises what ``clearing_price`` raises for these.
    """
    bid, competing_bid = checked("bid", bid), checked("competing_bid", competing_bid)
    reserve_price = checked("reserve_price", reserve_price, 0)
    common_shape(jnp.shape(bid), competing_bid=competing_bid, reserve_price=reserve_price)
    return jnp.greater(bid, competing_bid) & jnp.greater_equal(bid, reserve_price)


class SealedBid(NamedTuple):
    """The outcome of ``sealed_bid``."""

    winner: Int[Array, "*batch"]
    """int32 index of the winning bidder, -1 where nobody wins."""
    price: Real[Array, "*batch"]
    """What the winner pays, 0 where nobody wins."""
    min_bid_to_win: Real[Array, "*batch bidders"]
    """What an exchange reports to each bidder; see ``sealed_bid``."""


def sealed_bid(
    bids: Real[Array, "*batch bidders"],
    pricing: Pricing,
    reserve_price: Real[ArrayLike, "*#batch"] = 0.0,
    hybrid_weight: Real[ArrayLike, "*#batch"] = 0.0,
    increment: Real[ArrayLike, "*#batch"] = 0.0,
    soft_floor: Real[ArrayLike, "*#batch"] | None = None,
) -> SealedBid:
    """Run one auction for each batch entry among the bidders of the last axis (at least one, a static number).

    A bid takes part if it is positive and finite and reaches the reserve price; any other abstains. The highest wins,
    ties go to the lowest index. The second price is the second highest bid that takes part plus ``increment`` (>= 0),
    never above the winning bid; a lone bidder pays the reserve price, without increment. First and hybrid prices and
    the soft floor follow ``clearing_price``. For several slots, eCPM ranking and more see ``position_auctions``.

    ``min_bid_to_win`` is OpenRTB's AUCTION_MIN_TO_WIN (OpenRTB 2.6, section 4.4): the winner is told the highest
    competing bid, or the reserve price if that is more; a loser is told the price that the winner paid (below the
    winning bid under second price, by the convention of that standard); everyone the reserve price if nobody won.

    Raises ValueError for ``bids`` without bidders and for what ``clearing_price`` refuses. Bids that are not finite
    abstain only where they are traced.
    """
    bids, increment = some_bids(bids, bidder_axis=-1), checked("increment", increment, 0)
    reserve_price, hybrid_weight, soft_floor = _terms(reserve_price, hybrid_weight, soft_floor)
    batch = common_shape(
        bids.shape[:-1],
        reserve_price=reserve_price,
        hybrid_weight=hybrid_weight,
        increment=increment,
        soft_floor=soft_floor,
    )
    by_bidder = jnp.broadcast_to(jnp.moveaxis(bids, -1, 0), (bids.shape[-1], *batch))
    ranking = rank(participating_score(by_bidder, reserve_price=reserve_price), 2)
    winner, (best, second) = ranking.bidder[0], ranking.score
    sold = winner >= 0
    reserve = jnp.broadcast_to(reserve_price, batch).astype(best.dtype)
    winning_bid = jnp.where(sold, best, reserve)
    competing_bid = jnp.where(jnp.isneginf(second), reserve, second)
    raised = jnp.where(jnp.isneginf(second), reserve, second + increment)
    price = clearing_price(winning_bid, jnp.minimum(raised, winning_bid), pricing, reserve, hybrid_weight, soft_floor)
    told_to_losers = jnp.where(sold, price, reserve)[..., None]
    is_winner = jnp.arange(bids.shape[-1]) == winner[..., None]
    min_bid_to_win = jnp.where(is_winner, competing_bid[..., None], told_to_losers)
    return SealedBid(winner, jnp.where(sold, price, 0.0), min_bid_to_win)


def _terms(reserve_price: ArrayLike, hybrid_weight: ArrayLike, soft_floor: ArrayLike | None) -> tuple[Any, Any, Any]:
    """What is agreed before the bids, each in its range unless it is traced."""
    return (
        checked("reserve_price", reserve_price, 0),
        checked("hybrid_weight", hybrid_weight, 0, 1),
        None if soft_floor is None else checked("soft_floor", soft_floor, 0),
    )
