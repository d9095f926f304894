"""What the budgets pay of one tick's auctions, in order of arrival, and the sums of the tick.

Counts and money are int32 and summed exactly, in any order. Nothing overflows: bids end at ``config.MAX_BID``, budgets
at ``config.MAX_TOTAL_BUDGET``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.auto_bidding.config import GROUP, MAX_WINDOW
from rtb_envs.pytrees import pytree

_COUNT_BITS = 10
_LOW_BITS = 16
assert MAX_WINDOW < 2**_COUNT_BITS


class Window(NamedTuple):
    """The auctions of some opportunities; a bid of 0 abstains."""

    bid: Float[Array, "agents opportunities"]
    """Money units, not rounded."""
    bidder: Int[Array, "slots opportunities"]
    """Who holds the slot, -1 where it stays empty."""
    price: Int[Array, "slots opportunities"]
    """Whole money units, due if the slot is shown."""
    shown: Bool[Array, "slots opportunities"]
    converted: Bool[Array, "slots opportunities"]
    least_winning_cost: Int[Array, "opportunities"]
    """What had to be bid for the last slot."""


@pytree
@dataclass(frozen=True)
class TickTotals:
    """Sums over a tick's opportunities, for each bidder."""

    bid_count: Int[Array, "agents"]
    """Opportunities before the bidder left."""
    win: Int[Array, "agents"]
    impression: Int[Array, "agents"]
    """Won slots that were shown."""
    conversion: Int[Array, "agents"]
    cost: Int[Array, "agents"]
    """Money units."""
    least_winning_cost: Float[Array, ""]
    """Money units, summed over the opportunities."""


class _Sums(NamedTuple):
    """Integer sums that compiled code carries: wins, impressions and conversions share a word."""

    events: Array
    cost: Array


class _Progress(NamedTuple):
    """A tick in progress: the next opportunity, who still bids with what, and what has been summed."""

    start: Array
    playing: Array
    left: Array
    counts: Array
    """int32[3, agents]: wins, impressions, conversions."""
    bid_count: Array
    least_winning_cost: tuple[Array, Array]
    """High and low part, so that int32 holds both."""


Run = Callable[[Int[Array, "opportunities"], Bool[Array, "agents"]], Window]


def settle(
    run: Run, volume: Int[Array, ""], budget: Int[Array, "agents"], playing: Bool[Array, "agents"], width: int
) -> tuple[TickTotals, Bool[Array, "agents"]]:
    """Run the opportunities 0 .. volume - 1 in order of arrival; the second value says who still plays after them.

    A bidder leaves, for good, at the first opportunity whose bid exceeds what is left of its ``budget``; that auction
    is run without it. ``run(index, playing)`` gives the auctions ``index`` in which those ``playing`` bid. ``width``
    opportunities are looked at together; the window after a leaving begins where the bidder left.
    """
    agents = budget.shape[0]
    nothing = jnp.zeros((), jnp.int32)
    none = jnp.zeros(agents, jnp.int32)
    begin = _Progress(nothing, playing, budget, jnp.zeros((3, agents), jnp.int32), none, (nothing, nothing))

    def more(progress: _Progress) -> Array:
        return progress.start < volume

    def advance(progress: _Progress) -> _Progress:
        return _advance(run, volume, progress, width)

    end = lax.while_loop(more, advance, begin)
    high, low = end.least_winning_cost
    least_winning_cost = high.astype(float) * 2.0**_LOW_BITS + low.astype(float)
    win, impression, conversion = end.counts
    return TickTotals(end.bid_count, win, impression, conversion, budget - end.left, least_winning_cost), end.playing


def _advance(run: Run, volume: Array, progress: _Progress, width: int) -> _Progress:
    """Account for the next opportunities: all of a window, or those before a bidder leaves."""
    agents, groups = progress.left.shape[0], width // GROUP
    index = progress.start + jnp.arange(width, dtype=jnp.int32)
    window = _within(run(index, progress.playing), index < volume)
    events = (
        (window.bidder >= 0).astype(jnp.int32)
        + (window.shown.astype(jnp.int32) << _COUNT_BITS)
        + (window.converted.astype(jnp.int32) << 2 * _COUNT_BITS)
    )
    payment = jnp.where(window.shown, window.price, 0)
    own = _Sums(*(_own(part, window.bidder, agents).reshape(agents, groups, GROUP) for part in (events, payment)))
    group = _Sums(*_sum_last(own))
    highest_bid = jnp.floor(window.bid.reshape(agents, groups, GROUP).max(-1)).astype(jnp.int32)
    spent = jnp.cumsum(group.cost, axis=1, dtype=jnp.int32)
    safe = jnp.all(highest_bid <= progress.left[:, None] - spent, axis=0)
    whole = _leading(safe)
    # The first group that might not be covered is looked at one by one; with every group whole, none of it counts.
    at = jnp.minimum(whole, groups - 1)
    rest = _Sums(*(lax.dynamic_index_in_dim(part, at, 1, keepdims=False) for part in own))
    bid = lax.dynamic_slice_in_dim(window.bid, at * GROUP, GROUP, axis=1)
    spent_before = lax.dynamic_index_in_dim(spent - group.cost, at, 1)
    spent_before = spent_before + jnp.cumsum(rest.cost, axis=1, dtype=jnp.int32) - rest.cost
    covered = jnp.floor(bid).astype(jnp.int32) <= progress.left[:, None] - spent_before
    kept = _leading(jnp.all(covered, axis=0))
    someone_leaves = (whole < groups) & (kept < GROUP)
    leaves = someone_leaves & ~lax.dynamic_index_in_dim(covered, jnp.minimum(kept, GROUP - 1), 1, keepdims=False)
    kept = jnp.where(whole < groups, kept, 0)
    in_whole, in_rest = jnp.arange(groups) < whole, jnp.arange(GROUP) < kept
    sums = _Sums(
        *(
            jnp.where(in_whole, a, 0).sum(1, dtype=jnp.int32) + jnp.where(in_rest, b, 0).sum(1, dtype=jnp.int32)
            for a, b in zip(group, rest, strict=True)
        )
    )
    accounted = whole * GROUP + kept
    counts = jnp.stack([(sums.events >> shift) & (2**_COUNT_BITS - 1) for shift in (0, _COUNT_BITS, 2 * _COUNT_BITS)])
    in_play = jnp.minimum(accounted, volume - progress.start)
    cost = jnp.where(jnp.arange(width) < accounted, window.least_winning_cost, 0)
    high, low = progress.least_winning_cost
    low = low + (cost & (2**_LOW_BITS - 1)).sum(dtype=jnp.int32)
    high = high + (cost >> _LOW_BITS).sum(dtype=jnp.int32) + (low >> _LOW_BITS)
    return _Progress(
        start=progress.start + accounted,
        playing=progress.playing & ~leaves,
        left=progress.left - sums.cost,
        counts=progress.counts + counts,
        bid_count=progress.bid_count + jnp.where(progress.playing, in_play, 0),
        least_winning_cost=(high, low & (2**_LOW_BITS - 1)),
    )


def _within(window: Window, valid: Array) -> Window:
    """The window without what lies beyond the volume."""
    masked: Window = jax.tree.map(lambda part: jnp.where(valid, part, jnp.zeros((), part.dtype)), window)
    return masked._replace(bidder=jnp.where(valid, window.bidder, -1))


def _own(part: Array, bidder: Array, agents: int) -> Array:
    """[slots, opportunities] by slot to [agents, opportunities] by bidder; a bidder holds one slot at most."""
    index = jnp.arange(agents)[:, None]
    own = jnp.zeros((), part.dtype)
    for slot in range(part.shape[0]):
        own = own + jnp.where(bidder[slot] == index, part[slot], 0)
    return own


def _sum_last(operands: tuple[Array, ...]) -> list[Array]:
    """Sums of several equally shaped arrays over their last axis in one pass, so that what makes them runs once."""
    zeros = [jnp.zeros((), operand.dtype) for operand in operands]

    def add(left: list[Array], right: list[Array]) -> list[Array]:
        return [a + b for a, b in zip(left, right, strict=True)]

    return list(lax.reduce(list(operands), zeros, add, (operands[0].ndim - 1,)))


def _leading(holds: Bool[Array, "entries"]) -> Int[Array, ""]:
    """How many entries hold before the first that does not."""
    return jnp.where(jnp.all(holds), holds.shape[0], jnp.argmin(holds)).astype(jnp.int32)
