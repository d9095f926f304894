"""Which of the touches before a conversion get its credit.

Credit is counted in whole ten-thousandths, and what rounding leaves goes to the last touch, so that every conversion
is attributed exactly once. The rules are those of the field's reports (Google Analytics' names): first, last, last
non-direct, linear, position based (40 % first, 40 % last, 20 % between), time decay (half-life 7 days).
"""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from rtb_envs import validation

Attribution = Literal["last", "first", "last_non_direct", "linear", "position", "time_decay"]
ATTRIBUTIONS: tuple[Attribution, ...] = ("last", "first", "last_non_direct", "linear", "position", "time_decay")
DIRECT, NO_TOUCH = -1, -2
"""Channels of a touch that is no ad: a direct visit, and an empty place of the path."""
WHOLE = 10_000
"""The credit of one conversion."""
WINDOW_HOURS = 720.0
HALF_LIFE_HOURS = 168.0
ENDS = 0.4


def attribution_credit(
    channel: Int[Array, "touches"],
    hours_before: Float[Array, "touches"],
    rule: Attribution,
    window_hours: Float[ArrayLike, ""] = WINDOW_HOURS,
    half_life_hours: Float[ArrayLike, ""] = HALF_LIFE_HOURS,
) -> Int[Array, "touches"]:
    """The credit of each touch in ten-thousandths; the credits of a path sum to 10,000, or to 0 without a touch.

    ``channel`` [touches], oldest first, is an advertiser's index, ``DIRECT`` or ``NO_TOUCH``; ``hours_before`` the
    conversion each touch happened. Touches older than ``window_hours`` do not count. A direct visit takes credit as any
    touch does, but under "last_non_direct", which passes over direct visits unless there is nothing else. Raises
    ValueError for an unknown ``rule``.
    """
    validation.choice("rule", rule, ATTRIBUTIONS)
    counts = (channel != NO_TOUCH) & (hours_before <= window_hours)
    last = _last(counts)
    if rule == "last_non_direct":
        ads = counts & (channel != DIRECT)
        last = jnp.where(jnp.any(ads), _last(ads), last)
    if rule in ("last", "last_non_direct"):
        return jnp.where(last, WHOLE, 0).astype(jnp.int32)
    first = _first(counts)
    if rule == "first":
        return jnp.where(first, WHOLE, 0).astype(jnp.int32)
    weight = _weight(rule, counts, first, last, hours_before, half_life_hours)
    total = weight.sum()
    share = jnp.floor(weight * (WHOLE / jnp.where(total > 0, total, 1))).astype(jnp.int32)
    return share + jnp.where(last, WHOLE - share.sum(dtype=jnp.int32), 0)


def _weight(
    rule: Attribution,
    counts: Bool[Array, "touches"],
    first: Bool[Array, "touches"],
    last: Bool[Array, "touches"],
    hours_before: Float[Array, "touches"],
    half_life_hours: Float[ArrayLike, ""],
) -> Float[Array, "touches"]:
    """What the credit of each touch is proportional to."""
    if rule == "linear":
        return counts.astype(jnp.float32)
    if rule == "time_decay":
        # From the last touch on, so that the weights of a long quiet path do not all become 0.
        since = hours_before - jnp.min(jnp.where(counts, hours_before, jnp.inf))
        return jnp.where(counts, jnp.exp2(-since / half_life_hours), 0.0)
    between = counts & ~first & ~last
    inner = (1 - 2 * ENDS) / jnp.maximum(between.sum(), 1)
    # Of two touches each has half, and a single one all: the weights are scaled to their sum.
    return ENDS * first + ENDS * last + inner * between


def _last(counts: Bool[Array, "touches"]) -> Bool[Array, "touches"]:
    later = jnp.cumsum(counts[::-1])[::-1]
    return counts & (later == 1)


def _first(counts: Bool[Array, "touches"]) -> Bool[Array, "touches"]:
    return counts & (jnp.cumsum(counts) == 1)
