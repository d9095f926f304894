"""Auctions of several slots at once: generalised second price, VCG, first price and hybrid; bids ranked by eCPM.

Arrays lead with the bidder or the slot axis: bids ``[bidders, *batch]``, outcomes ``[slots, *batch]``, slot 0 the best.
Prices and bids share one money unit, and both are for one unit of what is bid for: with a click probability as quality
a bid is for a click, and a slot's expected payment is exposure times quality times price.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Int, Real

from rtb_envs import validation
from rtb_envs.auctions.arguments import broadcast, some_bids, truths
from rtb_envs.auctions.mechanisms import Pricing, clearing_price
from rtb_envs.auctions.ranking import MAX_RANKS, Ranking, participating_score, rank, slot_of_bidder
from rtb_envs.auctions.slots import Allocation, fill_slots, scores_to_beat
from rtb_envs.tracing import checked, is_concrete

SlotPricing = Literal["gsp", "vcg", "first_price", "hybrid"]
SLOT_PRICINGS: tuple[SlotPricing, ...] = get_args(SlotPricing)
_PRICING_OF_A_SLOT: dict[SlotPricing, Pricing] = {
    "gsp": "second_price",
    "vcg": "second_price",
    "first_price": "first_price",
    "hybrid": "hybrid",
}


class PositionAuction(NamedTuple):
    """The outcome of ``position_auction``."""

    bidder: Int[Array, "slots *batch"]
    """int32 index of the bidder who holds the slot, -1 where it stays empty."""
    price: Real[Array, "slots *batch"]
    """What that bidder pays for a unit of what it bids for, 0 where the slot stays empty."""
    min_bid_to_win: Real[Array, "bidders *batch"]
    """What each bidder had to bid for any slot, the others' bids given; see ``position_auction``."""


def position_auction(
    bids: Real[ArrayLike, "bidders *batch"],
    exposure: Real[ArrayLike, "slots *#batch"],
    pricing: SlotPricing,
    *,
    quality: Real[ArrayLike, "#bidders *#batch"] | None = None,
    reserve_price: Real[ArrayLike, "*#slots_and_batch"] = 0.0,
    soft_floor: Real[ArrayLike, "*#slots_and_batch"] | None = None,
    increment: Real[ArrayLike, "*#batch"] = 0.0,
    hybrid_weight: Real[ArrayLike, "*#batch"] = 0.0,
    eligible: Bool[ArrayLike, "#bidders *#batch"] | None = None,
    tie_breaker: Real[ArrayLike, "bidders *batch"] | None = None,
) -> PositionAuction:
    """Run one auction of ``len(exposure)`` slots (static, at most 63) for each batch entry.

    ``exposure`` is the position curve: the probability that a slot is seen or anything in proportion to it, > 0 and not
    increasing from slot to slot. Where there are fewer bidders than slots, the last slots stay empty.
    Bidders are ranked by bid times ``quality`` (> 0, by default 1); who takes part and how ties go is said in
    ``ranking``. The k-th slot goes to the k-th bidder. ``reserve_price`` (>= 0) and ``soft_floor`` are those of every
    slot (scalar or batch), or lead with the slot axis; a reserve price must not increase from slot to slot, and a slot
    whose reserve price the next bidder's bid does not reach stays empty, while that bidder is tried for the next slot.

    ``gsp`` (generalised second price; Edelman, Ostrovsky & Schwarz, American Economic Review 97(1), 2007; Varian,
    International Journal of Industrial Organization 25(6), 2007): the score of the next bidder in the ranking over the
    own quality, that is the bid that would just have kept the place, plus ``increment`` (>= 0) if there is such a
    bidder. ``vcg`` (Vickrey 1961, Clarke 1971, Groves 1973; for slots Varian & Harris, American Economic Review 104(5),
    2014): the harm done to the others, sum over the own slot j and all below of (exposure[j] - exposure[j + 1]) times
    the bid that would just have won slot j, over the own exposure. It ignores ``increment`` and takes one reserve price
    for all slots, because truthful prices could lie below a slot's own. ``first_price``: the
    own bid. ``hybrid``: ``hybrid_weight`` (in [0, 1]) of the first price and the rest of the gsp price. Floors apply
    as in ``clearing_price``, so every price lies between the slot's reserve price and the own bid.

    ``min_bid_to_win`` is the bid at which a bidder ties with the last one it has to beat for a slot, or the lowest
    reserve price if that is more, for losers as for winners; at most the largest finite number. In a single slot the
    winner is told the same as by ``sealed_bid``, which tells losers the price instead, as OpenRTB does.

    Raises ValueError for an unknown ``pricing`` and for shapes that do not fit, TypeError for what is no array of
    numbers (for ``eligible``, of truth values). Bids that are not finite and other numbers out of range raise
    ValueError too unless they are traced: then such a bid abstains, and for the rest the caller has checked.
    """
    validation.choice("pricing", pricing, SLOT_PRICINGS)
    bids = some_bids(bids, bidder_axis=0)
    curve = _exposure_curve(exposure, bids.shape[1:])
    num_slots, batch = curve.shape[0], bids.shape[1:]
    reserve = _floor("reserve_price", reserve_price, num_slots, batch)
    own_quality = _quality(quality, bids.shape)
    may_bid = None if eligible is None else broadcast("eligible", truths("eligible", eligible), bids.shape)
    if pricing == "vcg" and reserve.shape[0] > 1:
        raise ValueError(f"reserve_price: got shape {np.shape(reserve_price)}, vcg takes one for all slots")
    increment = broadcast("increment", checked("increment", increment, 0), batch)
    hybrid_weight = broadcast("hybrid_weight", checked("hybrid_weight", hybrid_weight, 0, 1), batch)
    ranking = rank(participating_score(bids, own_quality, reserve[-1], may_bid), num_slots + 1, tie_breaker)
    held = fill_slots(ranking, bids, own_quality, reserve)
    if pricing == "vcg":
        competing_bid = _vcg_price(ranking, held, curve, reserve)
    else:
        has_next = held.next_score > -jnp.inf
        competing_bid = jnp.where(has_next, held.next_score / held.quality + increment, reserve)
    price = clearing_price(
        held.bid,
        jnp.minimum(competing_bid, held.bid),
        _PRICING_OF_A_SLOT[pricing],
        reserve,
        hybrid_weight,
        None if soft_floor is None else _floor("soft_floor", soft_floor, num_slots, batch),
    )
    price = jnp.where(held.bidder >= 0, price, 0.0)
    return PositionAuction(held.bidder, price, _min_bid_to_win(ranking, held, own_quality, reserve[-1], bids.shape[0]))


def _vcg_price(ranking: Ranking, held: Allocation, exposure: Array, reserve: Array) -> Array:
    """Per unit: the exposure lost on the way down, each part at the price that would just have held it."""
    num_slots = exposure.shape[0]
    own_slot = jnp.arange(num_slots).reshape((num_slots,) + (1,) * (held.bid.ndim - 1))
    lost = exposure - jnp.concatenate([exposure[1:], jnp.zeros_like(exposure[:1])])
    payment = jnp.zeros_like(held.bid)
    for slot in range(num_slots):
        critical_bid = jnp.maximum(ranking.score[slot + 1] / held.quality, reserve)
        payment = payment + jnp.where(own_slot <= slot, lost[slot] * critical_bid, 0)
    return payment / exposure


def _min_bid_to_win(
    ranking: Ranking, held: Allocation, quality: Array | None, lowest_reserve: Array, num_bidders: int
) -> Array:
    num_slots = held.bidder.shape[0]
    without = jnp.arange(-1, num_slots).reshape((num_slots + 1,) + (1,) * (held.bid.ndim - 1))
    of_others, *of_ranked = scores_to_beat(ranking, held.first_slot, without)
    own_rank = slot_of_bidder(ranking.bidder[:-1], num_bidders)
    score = jnp.broadcast_to(of_others, own_rank.shape)
    for place, to_beat in enumerate(of_ranked):
        score = jnp.where(own_rank == place, to_beat, score)
    bid = score if quality is None else score / quality
    return jnp.minimum(jnp.maximum(bid, lowest_reserve), np.finfo(bid.dtype).max)


def _quality(quality: ArrayLike | None, shape: tuple[int, ...]) -> Array | None:
    if quality is None:
        return None
    return broadcast("quality", checked("quality", quality, 0, open_low=True), shape)


def _exposure_curve(exposure: ArrayLike, batch: tuple[int, ...]) -> Array:
    """[slots, ...] that broadcasts against [slots, *batch]."""
    exposure = checked("exposure", exposure, 0, open_low=True)
    shape = np.shape(exposure)
    if len(shape) == 0 or not 1 <= shape[0] < MAX_RANKS:
        raise ValueError(f"exposure: got shape {shape}, the first axis must hold 1 to {MAX_RANKS - 1} slots")
    curve = _slots_first("exposure", exposure, batch)
    _refuse_increase("exposure", exposure)
    return curve


def _floor(name: str, floor: ArrayLike, num_slots: int, batch: tuple[int, ...]) -> Array:
    """[slots, ...], or [1, ...] if it holds for every slot, that broadcasts against [slots, *batch]."""
    floor = checked(name, floor, 0)
    shape = np.shape(floor)
    if len(shape) <= len(batch):
        return _slots_first(name, jnp.asarray(floor)[None], batch)
    if shape[0] not in (1, num_slots):
        raise ValueError(f"{name}: got shape {shape}, the first axis must hold {num_slots} slots")
    if name == "reserve_price":
        _refuse_increase(name, floor)
    return _slots_first(name, floor, batch)


def _slots_first(name: str, value: ArrayLike, batch: tuple[int, ...]) -> Array:
    value = jnp.asarray(value)
    missing = 1 + len(batch) - value.ndim
    if missing < 0 or any(
        have not in (1, want) for have, want in zip(value.shape[1:], batch[missing:], strict=missing >= 0)
    ):
        raise ValueError(f"{name}: got shape {value.shape}, must broadcast against the batch shape {batch}")
    return value.reshape(value.shape[:1] + (1,) * missing + value.shape[1:])


def _refuse_increase(name: str, value: ArrayLike) -> None:
    """ValueError if ``value`` is known, not traced, and increases from slot to slot."""
    if is_concrete(value) and not (np.diff(np.asarray(value), axis=0) <= 0).all():
        raise ValueError(f"{name}: got {np.asarray(value).tolist()}, must not increase from slot to slot")
