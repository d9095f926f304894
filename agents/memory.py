"""What a policy remembers of an episode: running averages of its observations."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class Memory:
    """The carry of ONE environment's policy: one average of past observations for each decay.

    The average of decay d moves the share max(1 - d, 1 / n) of the way to the n-th observation after the first: a mean
    over all of them at d = 1, over about 1 / (1 - d) of them below. The first observation of an episode follows no
    action, so it counts only until there is another. Averages tell what a single observation is too noisy to tell, at
    the cost of a few inputs and none of the gradients through time that a recurrent network needs.
    """

    seen: Int[Array, ""]
    """Observations so far."""
    averages: Float[Array, "decays *observation"]

    @classmethod
    def start(cls, observation_shape: tuple[int, ...], decays: tuple[float, ...]) -> Memory:
        """The memory that begins an episode."""
        return cls(jnp.zeros((), jnp.int32), jnp.zeros((len(decays), *observation_shape)))

    def remember(
        self, observation: Float[Array, "*observation"], decays: tuple[float, ...]
    ) -> tuple[Memory, Float[Array, "1+decays *observation"]]:
        """The memory after ``observation``, and what the policy sees: the observation, then the averages."""
        values = observation.astype(float)
        weight = jnp.maximum(1 - jnp.asarray(decays, float), 1 / jnp.maximum(self.seen, 1))
        weight = weight.reshape(-1, *(1,) * values.ndim)
        averages = self.averages + weight * (values - self.averages)
        return Memory(self.seen + 1, averages), jnp.concatenate([values[None], averages])
