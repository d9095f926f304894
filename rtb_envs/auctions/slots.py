"""Which ranked bidder holds which slot, and whom it would have to beat: the allocation under every position auction.

Slots are filled in the order of the ranking, each by the next bidder. Under reserve prices that differ by slot, a slot
that the next bidder's bid does not reach stays empty and that bidder is tried for the next one.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, Real

from rtb_envs.auctions.ranking import Ranking


class Allocation(NamedTuple):
    """Who holds each slot. Where nobody does, bid and quality are 1, so that nothing divides by zero."""

    bidder: Int[Array, "slots *batch"]
    """int32 index, -1 where the slot is empty."""
    bid: Real[Array, "slots *batch"]
    quality: Real[Array, "slots *batch"]
    next_score: Real[Array, "slots *batch"]
    """Score of the bidder after the holder in the ranking, -inf without one."""
    first_slot: Int[Array, "slots *#batch"]
    """By rank, not by slot: the first slot whose reserve price that bidder's bid reaches."""


def fill_slots(
    ranking: Ranking,
    bids: Real[Array, "bidders *batch"],
    quality: Real[Array, "bidders *batch"] | None,
    reserve_price: Real[Array, "#slots *#batch"],
) -> Allocation:
    """Fill one slot less than the ranking has ranks; the last rank only sets prices.

    ``reserve_price`` holds one row for all slots, or one for each that does not increase from slot to slot.
    """
    bidder, dtype = ranking.bidder[:-1], ranking.score.dtype
    num_slots, takes_part = bidder.shape[0], bidder >= 0

    def of_bidder(array: Array) -> Array:
        gathered = jnp.take_along_axis(array, jnp.maximum(bidder, 0), axis=0, mode="promise_in_bounds")
        return jnp.where(takes_part, gathered, 1).astype(dtype)

    bid = of_bidder(bids)
    own_quality = jnp.ones_like(bid) if quality is None else of_bidder(quality)
    if reserve_price.shape[0] == 1:
        first_slot = jnp.zeros((num_slots,) + (1,) * (bids.ndim - 1), jnp.int32)
        return Allocation(bidder, bid, own_quality, ranking.score[1:], first_slot)
    unreached = [jnp.sum(reserve_price > own_bid, axis=0, dtype=jnp.int32) for own_bid in bid]
    first_slot = jnp.where(takes_part, jnp.stack(unreached), num_slots)
    slot_of_rank = list(first_slot)
    for rank in range(1, num_slots):
        slot_of_rank[rank] = jnp.maximum(slot_of_rank[rank - 1] + 1, slot_of_rank[rank])

    def by_slot(by_rank: Array, empty: float) -> Array:
        slots = []
        for slot in range(num_slots):
            content = jnp.full(by_rank.shape[1:], empty, by_rank.dtype)
            for rank in range(slot + 1):
                content = jnp.where(slot_of_rank[rank] == slot, by_rank[rank], content)
            slots.append(content)
        return jnp.stack(slots)

    next_score = by_slot(ranking.score[1:], -jnp.inf)
    return Allocation(by_slot(bidder, -1), by_slot(bid, 1), by_slot(own_quality, 1), next_score, first_slot)


def scores_to_beat(
    ranking: Ranking, first_slot: Int[Array, "slots *#batch"], without: Int[Array, "cases *#batch"]
) -> Real[Array, "cases *batch"]:
    """The score over which the bidder of rank ``without`` (-1: one who is not ranked) gets any slot; -inf: any score.

    That is the highest score that, were this bidder away, would hold the last slot or be the first to find no slot.
    ``first_slot`` is that of ``Allocation``. The bidder's bid must reach the last slot's reserve price besides.
    """
    num_slots = first_slot.shape[0]
    cases = jnp.broadcast_shapes(without.shape, (1, *ranking.score.shape[1:]))
    to_beat = jnp.full(cases, -jnp.inf, ranking.score.dtype)
    slot = jnp.full_like(without, -1)
    for rank, score in enumerate(ranking.score):
        is_here = without != rank
        first = first_slot[rank] if rank < num_slots else 0  # after so many others it finds the last slot at best
        slot = jnp.where(is_here, jnp.maximum(slot + 1, first), slot)
        to_beat = jnp.where(is_here & (slot >= num_slots - 1), jnp.maximum(to_beat, score), to_beat)
    return to_beat
