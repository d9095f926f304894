"""Experience replay (Lin, 1992): the newest transitions, in device memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Int

from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class Replay:
    """A ring of transitions: a pytree whose arrays all lead with [size]."""

    stored: Any
    head: Int[Array, ""]
    """Where the next transition goes."""
    count: Int[Array, ""]
    """Transitions stored, at most size."""

    @classmethod
    def start(cls, like: Any, size: int) -> Replay:
        """Room for ``size`` transitions with the shapes and dtypes of ``like``."""
        stored = jax.tree.map(lambda x: jnp.zeros((size, *x.shape), x.dtype), like)
        return cls(stored, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))

    @property
    def size(self) -> int:
        """Transitions that there is room for."""
        return int(jax.tree.leaves(self.stored)[0].shape[0])

    def add(self, transitions: Any) -> Replay:
        """With ``transitions`` [added] in the place of the oldest; batches must all have one size, a divisor of the
        ring's, so that none wraps around.
        """
        added = int(jax.tree.leaves(transitions)[0].shape[0])

        def put(ring: Array, new: Array) -> Array:
            updated: Array = lax.dynamic_update_slice_in_dim(ring, new, self.head, axis=0)
            return updated

        stored = jax.tree.map(put, self.stored, transitions)
        return Replay(stored, (self.head + added) % self.size, jnp.minimum(self.count + added, self.size))

    def sample(self, key: Array, batch_size: int) -> Any:
        """Transitions [batch_size], uniformly and with replacement from those stored."""
        index = jax.random.randint(key, (batch_size,), 0, self.count)
        return jax.tree.map(lambda ring: ring[index], self.stored)
