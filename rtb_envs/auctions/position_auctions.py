"""Auctions of several slots at once: generalised second price, first price and hybrid, bids ranked by eCPM.

Arrays lead with the bidder or the slot axis: bids [bidders, *batch], outcomes [slots, *batch], slot 0 the best. Prices
and bids share one money unit, and both are for one unit of what is bid for: with a click probability as quality a bid
is for a click, and a slot's expected payment is exposure times quality times price.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Int, Real

from rtb_envs import validation
from rtb_envs.auctions.mechanisms import Pricing, clearing_price
from rtb_envs.auctions.ranking import MAX_RANKS, Ranking, participating_score, rank

SlotPricing = Literal["gsp", "first_price", "hybrid"]
SLOT_PRICINGS: tuple[SlotPricing, ...] = get_args(SlotPricing)
_OF_ONE_SLOT: dict[SlotPricing, Pricing] = {"gsp": "second_price", "first_price": "first_price", "hybrid": "hybrid"}


class PositionAuction(NamedTuple):
    """The outcome of ``position_auction``."""

    bidder: Int[Array, "slots *batch"]
    """int32 index of the bidder who holds the slot, -1 where it stays empty."""
    price: Real[Array, "slots *batch"]
    """What that bidder pays for a unit of what it bids for, 0 where the slot stays empty."""


def position_auction(
    bids: Real[Array, "bidders *batch"],
    exposure: Real[ArrayLike, "slots *#batch"],
    pricing: SlotPricing = "gsp",
    *,
    quality: Real[ArrayLike, "#bidders *#batch"] | None = None,
    reserve_price: Real[ArrayLike, "*#slots_and_batch"] = 0.0,
    increment: Real[ArrayLike, "*#batch"] = 0.0,
    hybrid_weight: Real[ArrayLike, "*#batch"] = 0.0,
    eligible: Bool[ArrayLike, "#bidders *#batch"] | None = None,
    tie_breaker: Real[Array, "bidders *batch"] | None = None,
) -> PositionAuction:
    """Run one auction of ``len(exposure)`` slots (static, in [1, 63]) for each batch entry.

    ``exposure`` is the position curve: the probability that a slot is seen, positive and not increasing from slot to
    slot. Bidders are ranked by bid times ``quality`` (finite, by default 1), see ``ranking``; they take part and tie as
    said there. The k-th slot goes to the k-th bidder. ``reserve_price`` (>= 0) holds for all slots, or leads with the
    slot axis and does not increase from slot to slot: then a slot that the next bidder's bid does not reach stays empty
    and that bidder is tried for the next.

    ``gsp`` (Edelman, Ostrovsky & Schwarz, American Economic Review 97(1), 2007; Varian, International Journal of
    Industrial Organization 25(6), 2007): the score of the next bidder in the ranking over the own quality, which is
    the bid that would just have kept the place, plus ``increment`` (>= 0); the reserve price if that is more or there
    is no next bidder; never above the own bid. ``first_price``: the own bid. ``hybrid``: ``hybrid_weight`` (in [0, 1])
    of the first price and the rest of the gsp price.

    Raises ValueError for an unknown ``pricing`` and for shapes that do not fit. An exposure curve that is out of range
    or increases, or a reserve price that does, raises too if it is known when the function is traced.
    """
    validation.choice("pricing", pricing, SLOT_PRICINGS)
    bids = _bidders(bids)
    quality = None if quality is None else _broadcast("quality", quality, bids.shape)
    eligible = None if eligible is None else _broadcast("eligible", eligible, bids.shape)
    num_slots = _exposure_curve(exposure, bids.shape[1:]).shape[0]
    reserve = _per_slot_or_all("reserve_price", reserve_price, num_slots, bids.shape[1:])
    ranking = rank(participating_score(bids, quality, reserve[-1], eligible), num_slots + 1, tie_breaker)
    held = _fill_slots(bids, quality, ranking, reserve)
    next_bid = held.next_score / held.quality
    next_bid = jnp.where(jnp.isneginf(held.next_score), reserve, next_bid + increment)
    price = clearing_price(held.bid, jnp.minimum(next_bid, held.bid), _OF_ONE_SLOT[pricing], reserve, hybrid_weight)
    return PositionAuction(held.bidder, jnp.where(held.bidder >= 0, price, 0.0))


class _Held(NamedTuple):
    """Who holds each slot, [slots, *batch]; bid and quality are 1 where nobody does, so that nothing divides by 0."""

    bidder: Array
    bid: Array
    quality: Array
    next_score: Array
    """Of the next bidder in the ranking, -inf without one."""


def _fill_slots(bids: Array, quality: Array | None, ranking: Ranking, reserve: Array) -> _Held:
    bidder = ranking.bidder[:-1]
    holds = bidder >= 0
    index = jnp.maximum(bidder, 0)
    bid = jnp.where(holds, jnp.take_along_axis(bids, index, axis=0, mode="promise_in_bounds"), 1)
    bid = bid.astype(ranking.score.dtype)
    if quality is None:
        own_quality = jnp.ones_like(ranking.score[:-1])
    else:
        own_quality = jnp.take_along_axis(quality, index, axis=0, mode="promise_in_bounds")
        own_quality = jnp.where(holds, own_quality, 1)
    by_rank = _Held(bidder, bid, own_quality, ranking.score[1:])
    if reserve.shape[0] == 1:
        return by_rank
    place = _places(jnp.where(holds, bid, -jnp.inf), reserve)
    nobody = _Held(jnp.array(-1, jnp.int32), jnp.ones((), bid.dtype), jnp.ones((), bid.dtype), jnp.array(-jnp.inf))
    held: _Held = jax.tree.map(lambda array, empty: _moved(array, place, empty), by_rank, nobody)
    return held


def _places(bid: Array, reserve: Array) -> list[Array]:
    """The slot of each rank: the first free one whose reserve price its bid reaches, beyond the last if none."""
    places: list[Array] = []
    for own_bid in bid:
        first = jnp.sum(reserve > own_bid, axis=0, dtype=jnp.int32)  # reserve prices do not increase
        places.append(jnp.maximum(places[-1] + 1, first) if places else first)
    return places


def _moved(array: Array, place: list[Array], empty: ArrayLike) -> Array:
    """[ranks, *batch] by rank to the same by slot."""
    slots = []
    for slot in range(array.shape[0]):
        content = jnp.full(array.shape[1:], empty, array.dtype)
        for by_rank in range(slot + 1):
            content = jnp.where(place[by_rank] == slot, array[by_rank], content)
        slots.append(content)
    return jnp.stack(slots)


def _exposure_curve(exposure: ArrayLike, batch: tuple[int, ...]) -> Array:
    shape = jnp.shape(exposure)
    if len(shape) == 0 or not 1 <= shape[0] < MAX_RANKS:
        raise ValueError(f"exposure: got shape {shape}, the first axis must hold 1 to {MAX_RANKS - 1} slots")
    return _slot_led("exposure", exposure, batch)


def _bidders(bids: ArrayLike) -> Array:
    bids = jnp.asarray(bids)
    if bids.ndim == 0 or bids.shape[0] == 0:
        raise ValueError(f"bids: got shape {bids.shape}, the first axis must hold at least one bidder")
    return bids


def _broadcast(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """``value`` broadcast to ``shape``; ValueError if that would need more axes or entries."""
    value = jnp.asarray(value)
    try:
        return jnp.broadcast_to(value, shape)
    except ValueError:
        raise ValueError(f"{name}: got shape {value.shape}, must broadcast to {shape}, the shape of the bids") from None


def _slot_led(name: str, value: ArrayLike, batch: tuple[int, ...]) -> Array:
    """``value``, which leads with the slots, as [slots, ...] that broadcasts against [slots, *batch]."""
    shape = jnp.shape(value)
    missing = 1 + len(batch) - len(shape)
    fits = missing >= 0 and all(have in (1, want) for have, want in zip(shape[1:], batch[missing:], strict=True))
    if not fits:
        raise ValueError(f"{name}: got shape {shape}, must broadcast against {(shape[0], *batch)}, slots by auctions")
    _check_descending(name, value)
    return jnp.asarray(value).reshape(shape[:1] + (1,) * missing + shape[1:])


def _per_slot_or_all(name: str, value: ArrayLike, num_slots: int, batch: tuple[int, ...]) -> Array:
    """``value`` as [slots, ...], or [1, ...] if it is the same for every slot; it may lead with the slots or not."""
    shape = jnp.shape(value)
    if len(shape) <= len(batch):
        return _slot_led(name, jnp.asarray(value)[None], batch)
    if shape[0] not in (1, num_slots):
        raise ValueError(f"{name}: got shape {shape}, the first axis must hold {num_slots} slots")
    return _slot_led(name, value, batch)


def _check_descending(name: str, value: ArrayLike) -> None:
    """Refuse what increases from slot to slot or holds a negative number, if the numbers are known."""
    if isinstance(value, jax.core.Tracer):
        return
    known = np.asarray(value)
    if not (np.isfinite(known).all() and (known >= 0).all() and (np.diff(known, axis=0) <= 0).all()):
        raise ValueError(f"{name}: got {known.tolist()}, must be finite, >= 0 and not increase from slot to slot")
