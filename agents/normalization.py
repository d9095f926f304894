"""Running statistics that bring observations and rewards to the scale that networks learn well at.

Moments of batches are merged by the parallel update of Chan, Golub & LeVeque ("Updating Formulae and a Pairwise
Algorithm for Computing Sample Variances", 1979), in the form that never subtracts large squares, hence stable in
float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from rtb_envs.pytrees import pytree

CLIP = 10.0
"""A normalised observation lies within +-CLIP standard deviations."""
EPSILON = 1e-8
"""Added to variances, so that what never varies is divided by a positive number."""


@pytree
@dataclass(frozen=True)
class RunningMoments:
    """Mean and (population) variance of everything seen; before anything is seen, 0 and 1."""

    count: Float[Array, ""]
    mean: Float[Array, "*shape"]
    variance: Float[Array, "*shape"]

    @classmethod
    def start(cls, shape: tuple[int, ...]) -> RunningMoments:
        """Moments of entries of ``shape``, with nothing seen."""
        return cls(jnp.zeros(()), jnp.zeros(shape), jnp.ones(shape))

    def update(self, batch: Float[Array, "*batch *shape"]) -> RunningMoments:
        """The moments after seeing ``batch``, whose leading axes count entries."""
        rows = batch.reshape(-1, *self.mean.shape)
        mean, variance = jnp.mean(rows, axis=0), jnp.var(rows, axis=0)
        count = self.count + rows.shape[0]
        share = rows.shape[0] / count
        shift = mean - self.mean
        merged = (1 - share) * self.variance + share * variance + share * (1 - share) * shift**2
        return RunningMoments(count, self.mean + share * shift, merged)


@pytree
@dataclass(frozen=True)
class ObservationNormalizer:
    """Turns an observation into features: each entry x and sign(x) log(1 + abs(x)), both standardised and clipped.

    The logarithm is there because budgets, prices and multipliers act through their ratios and range over orders of
    magnitude (the transform: Hafner et al., "Mastering Diverse Domains through World Models", 2023).
    """

    moments: RunningMoments

    @classmethod
    def start(cls, shape: tuple[int, ...]) -> ObservationNormalizer:
        """For observations of ``shape``, with nothing seen."""
        return cls(RunningMoments.start((2, *shape)))

    def update(self, observation: Float[Array, "*batch *shape"]) -> ObservationNormalizer:
        """After seeing a batch of observations."""
        return ObservationNormalizer(self.moments.update(self._spread(observation)))

    def features(self, observation: Float[Array, "*batch *shape"]) -> Float[Array, "*batch features"]:
        """Features in [-CLIP, CLIP], two for each entry of the observation."""
        spread = self._spread(observation)
        standardised = (spread - self.moments.mean) * lax.rsqrt(self.moments.variance + EPSILON)
        batch = spread.shape[: spread.ndim - self.moments.mean.ndim]
        return jnp.clip(standardised, -CLIP, CLIP).reshape(*batch, -1)

    def _spread(self, observation: Array) -> Float[Array, "*batch 2 *shape"]:
        values = observation.astype(float)
        logarithm = jnp.sign(values) * jnp.log1p(jnp.abs(values))
        return jnp.stack([values, logarithm], axis=values.ndim - self.moments.mean.ndim + 1)


@pytree
@dataclass(frozen=True)
class RewardNormalizer:
    """Divides rewards by the running root mean square of the discounted return so far in the episode.

    Nothing is subtracted: shifting rewards would change the task where episodes differ in length. The root mean square,
    and not the standard deviation, keeps rewards that never vary at their size.
    """

    moments: RunningMoments
    running_return: Float[Array, "*lanes"]
    """Of the episodes in progress, sum of gamma**age * reward."""

    @classmethod
    def start(cls, lanes: tuple[int, ...]) -> RewardNormalizer:
        """For rewards of shape ``lanes``, with nothing seen and every episode at its beginning."""
        return cls(RunningMoments.start(()), jnp.zeros(lanes))

    def update(
        self, reward: Float[Array, "steps *lanes"], over: Bool[Array, "steps *lanes"], gamma: ArrayLike
    ) -> RewardNormalizer:
        """After seeing the rewards of some steps; ``over`` marks the steps that ended an episode."""
        discount = jnp.asarray(gamma, float)

        def advance(running: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
            reward, over = step
            running = discount * running + reward
            return jnp.where(over, 0, running), running

        running, returns = lax.scan(advance, self.running_return, (reward, over))
        return RewardNormalizer(self.moments.update(returns), running)

    def restart(self) -> RewardNormalizer:
        """With every episode at its beginning."""
        return RewardNormalizer(self.moments, jnp.zeros_like(self.running_return))

    def scale(self, reward: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Rewards in units of the return's root mean square."""
        return reward * lax.rsqrt(self.moments.mean**2 + self.moments.variance + EPSILON)
