"""Numbers that change over a training."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def annealed(learning_rate: ArrayLike, annealing_updates: ArrayLike | None, updates: Array) -> Array:
    """``learning_rate`` on its straight way to 0 after ``annealing_updates`` updates; None keeps it."""
    if annealing_updates is None:
        return jnp.asarray(learning_rate, float)
    left = jnp.maximum(1 - updates / annealing_updates, 0)
    return jnp.asarray(learning_rate * left, float)


def linear(first: ArrayLike, last: ArrayLike, duration: ArrayLike, updates: Array) -> Array:
    """From ``first`` straight to ``last``, reached after ``duration`` updates and kept."""
    share = jnp.minimum(updates / duration, 1)
    return jnp.asarray((1 - share) * first + share * last, float)
