"""Money in whole micros, and sums of them that are exact.

A micro is a millionth of the currency, as in the advertising platforms' own interfaces. An amount of one round is an
int32; a sum of many does not fit one, so it is kept in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from rtb_envs.pytrees import pytree

MICROS = 1_000_000
MAX_AMOUNT = 1000.0
"""The largest bid or value in currency: 10**9 micros are below 2**30."""
_LOW_BITS = 15
_LOW = 2**_LOW_BITS


def to_micros(amount: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
    """``amount`` of currency in whole micros, as float32 (all such values are whole); at most ``MAX_AMOUNT``.

    To the nearest micro up to 16.7 units of currency, where float32 is that fine; beyond, to a few of them.
    """
    return jnp.round(jnp.clip(amount, -MAX_AMOUNT, MAX_AMOUNT) * MICROS)


@pytree
@dataclass(frozen=True)
class ExactSum:
    """A sum of whole numbers: high * 2**15 + low with 0 <= low < 2**15. Exact up to 7 * 10**13 in absolute value."""

    high: Int[Array, "*shape"]
    low: Int[Array, "*shape"]

    @classmethod
    def zero(cls, shape: tuple[int, ...] = ()) -> ExactSum:
        return cls(jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.int32))

    def __add__(self, other: ExactSum) -> ExactSum:
        return _carried(self.high + other.high, self.low + other.low)

    def count(self) -> Int[Array, "*shape"]:
        """The sum as an int32, if it is one."""
        count: Array = self.high * _LOW + self.low
        return count

    def times(self, unit: float) -> Float[Array, "*shape"]:
        """The sum in units of ``unit``, rounded to a float."""
        amount: Array = (self.high.astype(float) * _LOW + self.low.astype(float)) * unit
        return amount

    def whole(self) -> npt.NDArray[np.int64]:
        """The sum itself, outside of compiled code."""
        whole: npt.NDArray[np.int64] = np.asarray(self.high).astype(np.int64) * _LOW + np.asarray(self.low)
        return whole


def _carried(high: Array, low: Array) -> ExactSum:
    return ExactSum(high + (low >> _LOW_BITS), low & (_LOW - 1))


def sum_rounds(amounts: Sequence[Int[Array, "*shape rounds"]]) -> list[ExactSum]:
    """The sums over the last axis, at most 2**15 rounds, of equally shaped int32 amounts below 2**30.

    One reduction of many operands, because XLA fuses what makes an operand into each reduction that reads it: separate
    sums would run every round once for each of them.
    """
    parts = [part for amount in amounts for part in (amount >> _LOW_BITS, amount & (_LOW - 1))]

    def add(left: Sequence[Array], right: Sequence[Array]) -> list[Array]:
        return [a + b for a, b in zip(left, right, strict=True)]

    sums = lax.reduce(parts, [jnp.zeros((), jnp.int32)] * len(parts), add, (parts[0].ndim - 1,))
    return [_carried(high, low) for high, low in zip(sums[::2], sums[1::2], strict=True)]
