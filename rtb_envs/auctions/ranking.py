"""Who takes part in an auction and in which order: scores, ties, the best few of many bidders.

Arrays lead with the bidder axis, ``[bidders, *batch]``: on a CPU a running fold over it, one whole batch for each
bidder, is many times faster than ``top_k`` or ``sort`` of each auction.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Int, Real

from rtb_envs import validation
from rtb_envs.tracing import checked

MAX_RANKS = 64
"""More ranks than any page has slots; the fold is meant for a few."""


class Ranking(NamedTuple):
    """The best bidders of each auction, best first."""

    bidder: Int[Array, "ranks *batch"]
    """int32 index of the bidder, -1 where fewer take part."""
    score: Real[Array, "ranks *batch"]
    """Its score, -inf where fewer take part."""


def participating_score(
    bids: Real[Array, "bidders *batch"],
    quality: Real[Array, "#bidders *#batch"] | None = None,
    reserve_price: Real[ArrayLike, "*#batch"] = 0.0,
    eligible: Bool[Array, "#bidders *#batch"] | None = None,
) -> Real[Array, "bidders *batch"]:
    """Bid times ``quality`` (the bid itself without one), -inf for a bidder who does not take part.

    With ``quality`` the click probability, or that times a quality factor, bids are per click and the score is the
    expected revenue of an impression (eCPM ranking; Varian 2007, section 6). A bidder takes part if it is ``eligible``,
    its bid reaches ``reserve_price``, and its score is positive and finite: a zero, negative or NaN bid abstains.
    """
    score = bids if quality is None else bids * quality
    score = score.astype(jnp.result_type(score, jnp.float32))
    takes_part = (score > 0) & (score < jnp.inf) & (bids >= reserve_price)
    if eligible is not None:
        takes_part &= eligible
    return jnp.where(takes_part, score, -jnp.inf)


def rank(
    score: Real[Array, "bidders *batch"],
    num_ranks: int,
    tie_breaker: Real[ArrayLike, "bidders *batch"] | None = None,
) -> Ranking:
    """The ``num_ranks`` (static, in [1, 64]) highest scores of each auction; -inf does not take part.

    Equal scores go to the larger ``tie_breaker`` (finite; independent uniforms break ties at random), then to the lower
    index. NaN scores must not occur. Raises ValueError for ``num_ranks`` out of range or a ``tie_breaker`` of another
    shape or, where it is not traced, with numbers that are not finite, TypeError for a ``num_ranks`` that is not an
    integer.
    """
    num_ranks = validation.integer("num_ranks", num_ranks, 1, MAX_RANKS)
    if tie_breaker is not None:
        tie_breaker = _tie_breaker(tie_breaker, score.shape)
    batch = score.shape[1:]
    index = jnp.arange(score.shape[0], dtype=jnp.int32)
    # The luck of an empty rank is infinite, so that of two bidders who abstain neither enters.
    nobody: tuple[Array, ...] = (jnp.full(batch, -jnp.inf, score.dtype), jnp.full(batch, -1, jnp.int32))
    bidders: tuple[Array, ...] = (score, index)
    if tie_breaker is not None:
        nobody = (*nobody, jnp.full(batch, jnp.inf, tie_breaker.dtype))
        bidders = (*bidders, tie_breaker)

    def insert(ranks: list[tuple[Array, ...]], bidder: tuple[Array, ...]) -> tuple[list[tuple[Array, ...]], None]:
        ahead = [_is_ahead(bidder, holder) for holder in ranks]
        moved = [_select(ahead[0], bidder, ranks[0])]
        for place in range(1, num_ranks):
            pushed_down = _select(ahead[place - 1], ranks[place - 1], bidder)
            moved.append(_select(ahead[place], pushed_down, ranks[place]))
        return moved, None

    # Not unrolled: within one fusion XLA's CPU backend would compute the whole fold again for each of its results.
    ranks, _ = jax.lax.scan(insert, [nobody] * num_ranks, bidders)
    return Ranking(jnp.stack([holder[1] for holder in ranks]), jnp.stack([holder[0] for holder in ranks]))


def _tie_breaker(given: ArrayLike, shape: tuple[int, ...]) -> Array:
    given = jnp.asarray(checked("tie_breaker", given))
    if given.shape != shape:
        raise ValueError(f"tie_breaker: got shape {given.shape}, must be {shape}, that of the scores")
    return given.astype(jnp.result_type(given, jnp.float32))  # an empty rank's is infinite


def slot_of_bidder(bidder: Int[Array, "slots *batch"], num_bidders: int) -> Int[Array, "bidders *batch"]:
    """The slot (int32, 0 the best) that each of ``num_bidders`` bidders holds, -1 for none."""
    index = jnp.arange(num_bidders, dtype=jnp.int32).reshape((num_bidders,) + (1,) * (bidder.ndim - 1))
    slot = jnp.full((num_bidders, *bidder.shape[1:]), -1, jnp.int32)
    for place in range(bidder.shape[0]):
        slot = jnp.where(bidder[place] == index, place, slot)
    return slot


def _is_ahead(challenger: tuple[Array, ...], holder: tuple[Array, ...]) -> Array:
    """Whether the challenger, of higher index than the holder, ranks before it."""
    if len(holder) == 2:
        return challenger[0] > holder[0]
    return (challenger[0] > holder[0]) | ((challenger[0] == holder[0]) & (challenger[2] > holder[2]))


def _select(condition: Array, chosen: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(jnp.where(condition, a, b) for a, b in zip(chosen, other, strict=True))
