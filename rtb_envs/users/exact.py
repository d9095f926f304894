"""Operations whose result does not depend on what a compiler fuses them with, or are cheap where they are fused."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, Shaped, UInt32


def pick(table: Shaped[Array, "entries"] | Sequence[Array], index: Int[ArrayLike, "*batch"]) -> Shaped[Array, "*batch"]:
    """``table[index]`` for a short table, by comparisons: on a CPU they fuse with what follows, a gather does not.

    An ``index`` outside the table gives the first entry.
    """
    index = jnp.asarray(index)
    chosen: Array = jnp.broadcast_to(table[0], index.shape)
    for entry in range(1, len(table)):
        chosen = jnp.where(index == entry, table[entry], chosen)
    return chosen


def rounded(product: Float[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """A product >= 0 as the float it rounds to.

    Some programs would add a bare product unrounded (fused multiply-add) or multiply its factors in another order, and
    others would not: the maximum, which changes nothing, keeps a market the same bits alone and in a batch.
    """
    return jnp.maximum(jnp.asarray(product), 0)


def once_word(word: UInt32[Array, "*batch"]) -> UInt32[Array, "*batch"]:
    """A random word computed once, as ``once``; of all words the largest alone becomes another, 0."""
    return lax.rem(word, jnp.uint32(2**32 - 1))


def once(whole: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
    """``whole``, int32 in 0 .. 2**31 - 2, computed once however many values follow from it.

    Compilers for CPUs fuse what is cheap into every value that uses it, and so compute a long chain again for each. A
    remainder they hold to be dear, and keep.
    """
    return lax.rem(whole, jnp.int32(2**31 - 1))


def after(whole: Int[Array, "*batch"], other: Shaped[Array, "*batch"]) -> Int[Array, "*batch"]:
    """``whole``, computed after ``other``, a number >= 0 that it does not depend on: compilers cannot know that."""
    follows: Array = whole + (other < 0)
    return follows


def once_flags(*flags: Bool[Array, "*batch"]) -> tuple[Bool[Array, "*batch"], ...]:
    """At most 30 flags of one shape computed once, as ``once``: side by side in one number."""
    packed = once(sum((flag.astype(jnp.int32) << place for place, flag in enumerate(flags)), jnp.int32(0)))
    return tuple((packed >> place) & 1 == 1 for place in range(len(flags)))
