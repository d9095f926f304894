"""Operations whose result does not depend on what a compiler fuses them with, or are cheap where they are fused."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int, Shaped


def pick(table: Shaped[Array, "entries"], index: Int[ArrayLike, "*batch"]) -> Shaped[Array, "*batch"]:
    """``table[index]`` for a short table, by comparisons: on a CPU they fuse with what follows, a gather does not.

    An ``index`` outside the table gives the first entry.
    """
    index = jnp.asarray(index)
    chosen: Array = jnp.broadcast_to(table[0], index.shape)
    for entry in range(1, table.shape[0]):
        chosen = jnp.where(index == entry, table[entry], chosen)
    return chosen


def rounded(product: Float[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """A product >= 0 as the float it rounds to.

    Some programs would add a bare product unrounded (fused multiply-add) or multiply its factors in another order, and
    others would not: the maximum, which changes nothing, keeps a market the same bits alone and in a batch.
    """
    return jnp.maximum(jnp.asarray(product), 0)
