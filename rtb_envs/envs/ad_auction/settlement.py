"""What a budget pays of one step's auctions, and the sums of the step.

Counts and money are int32 and summed exactly, in any order. Nothing can overflow: a cost is clamped to what is left of
the budget, which changes no decision (it can not be paid either way), and budgets end at 2**24.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.auctions.budgets import skip_what_does_not_fit
from rtb_envs.envs.ad_auction.config import MAX_AUCTIONS, BudgetRule
from rtb_envs.pytrees import pytree

GROUP = 16
"""Auctions summed together before the budget looks at them; a divisor of every block's width."""
TAIL_WIDTH = 32
"""Auctions looked at together once the first block is through: most lanes need none, so it is narrow."""
_COUNT_BITS = 10
_RATE_UNIT = 2.0**20
assert MAX_AUCTIONS < 2**_COUNT_BITS


class AuctionResult(NamedTuple):
    """What some auctions would bring if the budget pays for them; every field has the shape of their index."""

    impression: Bool[Array, "*auctions"]
    click: Bool[Array, "*auctions"]
    conversion: Bool[Array, "*auctions"]
    cost: Int[Array, "*auctions"]
    """Charge of the event that is paid for, 0 where it did not happen."""
    bid: Int[Array, "*auctions"]
    """Whole money units, at most ``config.MAX_BID``."""
    conversion_rate: Float[Array, "*auctions"]


@pytree
@dataclass(frozen=True)
class StepTotals:
    """Sums over auctions: all of them (search volume, bids), or those that the budget paid for (the rest)."""

    search_volume: Int[Array, ""]
    impression: Int[Array, ""]
    click: Int[Array, ""]
    conversion: Int[Array, ""]
    cost: Int[Array, ""]
    bid: Float[Array, ""]
    expected_conversion: Float[Array, ""]
    """Conversion rates summed over clicks, each to 2**-20: conversions without their own noise."""

    @classmethod
    def zero(cls) -> StepTotals:
        count, amount = jnp.zeros((), jnp.int32), jnp.zeros((), float)
        return cls(count, count, count, count, count, amount, amount)

    def __add__(self, other: StepTotals) -> StepTotals:
        total: StepTotals = jax.tree.map(jnp.add, self, other)
        return total


class _Sums(NamedTuple):
    """Integer sums over auctions that compiled code carries: impressions, clicks and conversions share a word."""

    events: Array
    cost: Array
    expected_conversion: Array
    bid: Array
    """Of every auction, kept or not."""


Run = Callable[[Int[Array, "*auctions"]], AuctionResult]


def settle(
    run: Run, volume: Int[Array, ""], remaining_budget: Int[Array, ""], first_width: int, rule: BudgetRule
) -> StepTotals:
    """Run the auctions 0 .. volume - 1 in order of arrival against ``remaining_budget``.

    The first ``first_width`` are looked at together, later ones in blocks of ``TAIL_WIDTH``, so that any volume is
    exact whatever the width. ``rule`` "stop": an auction is kept iff the costs up to and with it stay below the
    budget; "skip": an auction that does not fit is lost, later ones go on.
    """
    one_by_one = partial(_one_by_one, run, volume, rule)
    if rule == "stop":
        totals, left = _in_groups(run, volume, first_width, remaining_budget)
    else:
        totals, left = one_by_one(jnp.zeros((), jnp.int32), first_width, remaining_budget)

    def more(carry: tuple[Array, Array, StepTotals]) -> Array:
        return carry[0] < volume

    def next_block(carry: tuple[Array, Array, StepTotals]) -> tuple[Array, Array, StepTotals]:
        start, left, totals = carry
        added, left = one_by_one(start, TAIL_WIDTH, left)
        return start + TAIL_WIDTH, left, totals + added

    _, _, totals = lax.while_loop(more, next_block, (jnp.asarray(first_width, jnp.int32), left, totals))
    return replace(totals, search_volume=volume)


def _in_groups(run: Run, volume: Array, width: int, budget: Array) -> tuple[StepTotals, Array]:
    """The first ``width`` auctions under the rule "stop", and what is left (0 once an auction did not fit).

    Costs are summed in groups; only the group in which the budget is crossed is run again, one by one.
    """
    groups = width // GROUP
    index = jnp.arange(width)
    sums = _Sums(*_sum_last([part.reshape(groups, GROUP) for part in _countable(run(index), index < volume, budget)]))
    whole = lax.associative_scan(jnp.add, jnp.minimum(sums.cost, budget)) < budget
    num_whole = whole.sum(dtype=jnp.int32)
    kept = _Sums(*_sum_last([jnp.where(whole, group, 0) for group in sums]))._replace(bid=sums.bid.sum())
    # With every group whole there is nothing to run again: an empty volume keeps nothing.
    rest, left = _one_by_one(
        run, jnp.where(num_whole < groups, volume, 0), "stop", num_whole * GROUP, GROUP, budget - kept.cost
    )
    return _totals(kept) + replace(rest, bid=jnp.zeros_like(rest.bid)), left


def _one_by_one(
    run: Run, volume: Array, rule: BudgetRule, start: Array, width: int, left: Array
) -> tuple[StepTotals, Array]:
    """The auctions start .. start + width - 1, each held against the budget, and what is left for later ones."""
    index = start + jnp.arange(width)
    parts = _countable(run(index), index < volume, left)
    if rule == "stop":
        fits = jnp.cumsum(parts.cost) < left
        exhausted = ~fits[-1]
    else:
        fits = skip_what_does_not_fit(parts.cost, left)
        exhausted = jnp.zeros((), bool)
    kept = [jnp.where(fits, part, 0) for part in parts._replace(bid=jnp.zeros_like(parts.bid))]
    sums = _Sums(*_sum_last(kept))._replace(bid=parts.bid.sum())
    return _totals(sums), jnp.where(exhausted, 0, left - sums.cost)


def _totals(sums: _Sums) -> StepTotals:
    impression, click, conversion = (
        (sums.events >> shift) & (2**_COUNT_BITS - 1) for shift in (0, _COUNT_BITS, 2 * _COUNT_BITS)
    )
    expected = sums.expected_conversion.astype(float) / _RATE_UNIT
    volume = jnp.zeros((), jnp.int32)
    return StepTotals(volume, impression, click, conversion, sums.cost, sums.bid.astype(float), expected)


def _sum_last(operands: Sequence[Array]) -> list[Array]:
    """Sums of several equally shaped int32 arrays over their last axis, in one pass.

    One reduction of many operands, because XLA fuses what makes an operand into each reduction that reads it: separate
    sums would run every auction once for each of them.
    """
    zeros = [jnp.zeros((), jnp.int32)] * len(operands)

    def add(left: Sequence[Array], right: Sequence[Array]) -> list[Array]:
        return [a + b for a, b in zip(left, right, strict=True)]

    return list(lax.reduce(list(operands), zeros, add, (operands[0].ndim - 1,)))


def _countable(result: AuctionResult, valid: Array, left: Array) -> _Sums:
    """The results as integers to be summed, nothing where not ``valid``."""
    events = (
        result.impression.astype(jnp.int32)
        + (result.click.astype(jnp.int32) << _COUNT_BITS)
        + (result.conversion.astype(jnp.int32) << 2 * _COUNT_BITS)
    )
    rate = jnp.where(result.click, jnp.round(result.conversion_rate * _RATE_UNIT), 0).astype(jnp.int32)
    parts = _Sums(events, jnp.minimum(result.cost, left), rate, result.bid)
    masked: _Sums = jax.tree.map(lambda part: jnp.where(valid, part, 0), parts)
    return masked


def ratio(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, 0 where the denominator is 0."""
    # Converted first: JAX divides int32 in float32 even where floats are float64.
    return jnp.where(denominator > 0, numerator.astype(float) / jnp.maximum(denominator, 1).astype(float), 0)
