"""What a stochastic policy draws from, and how its draws become actions.

A policy draws a *latent*: an index, or a point of an unbounded Euclidean space. Densities are those of the latent, and
``to_action`` maps it one to one into the action space, so that no draw is ever clipped and likelihood ratios between
policies are exact (the Jacobian of the map cancels in them).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int
from numpy.typing import NDArray

from rtb_envs.action_scale import ActionScale, check_bounds, logarithmic
from rtb_envs.pytrees import pytree
from rtb_envs.validation import wrong_type


@pytree
@dataclass(frozen=True)
class Categorical:
    """A distribution over the indices 0 .. count - 1."""

    logits: Float[Array, "*batch count"]

    def sample(self, key: Array) -> Int[Array, "*batch"]:
        return jax.random.categorical(key, self.logits).astype(jnp.int32)

    def mode(self) -> Int[Array, "*batch"]:
        return jnp.argmax(self.logits, axis=-1).astype(jnp.int32)

    def log_density(self, latent: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Natural logarithm of the probability of ``latent``."""
        log_probability = jax.nn.log_softmax(self.logits)
        return jnp.take_along_axis(log_probability, latent[..., None], axis=-1)[..., 0]

    def entropy(self) -> Float[Array, "*batch"]:
        """In nats."""
        log_probability = jax.nn.log_softmax(self.logits)
        return -jnp.sum(jnp.exp(log_probability) * log_probability, axis=-1)


@pytree
@dataclass(frozen=True)
class DiagonalGaussian:
    """Independent normal distributions, one per dimension."""

    mean: Float[Array, "*batch dimensions"]
    log_std: Float[Array, "*#batch dimensions"]

    def sample(self, key: Array) -> Float[Array, "*batch dimensions"]:
        return self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)

    def mode(self) -> Float[Array, "*batch dimensions"]:
        return self.mean

    def log_density(self, latent: Float[Array, "*batch dimensions"]) -> Float[Array, "*batch"]:
        """Natural logarithm of the density at ``latent``."""
        deviation = (latent - self.mean) * jnp.exp(-self.log_std)
        return -jnp.sum(deviation**2 / 2 + self.log_std + math.log(2 * math.pi) / 2, axis=-1)

    def entropy(self) -> Float[Array, "*batch"]:
        """Differential entropy, in nats."""
        entropy = jnp.sum(self.log_std + math.log(2 * math.pi * math.e) / 2, axis=-1)
        return jnp.broadcast_to(entropy, self.mean.shape[:-1])


Distribution: TypeAlias = Categorical | DiagonalGaussian


@dataclass(frozen=True)
class DiscreteActions:
    """The actions ``start`` .. ``start + count - 1``; the latent is the index from 0.

    Where the index stands for a choice in each of several ``factors`` (their product is ``count``, the last runs
    fastest), a network gives a number for each choice, and an action's is the sum of its choices'.
    """

    count: int
    start: int = 0
    factors: tuple[int, ...] = ()
    kind: Literal["discrete"] = field(default="discrete", init=False)

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for one action."""
        return sum(self.factors) if self.factors else self.count

    def logits(self, outputs: Float[Array, "*batch outputs"]) -> Float[Array, "*batch count"]:
        """The numbers of all actions, from what a network gives."""
        if not self.factors:
            return outputs
        ends = np.cumsum(self.factors)[:-1]
        total = jnp.zeros((*outputs.shape[:-1], 1))
        for part in jnp.split(outputs, ends, axis=-1):
            total = (total[..., :, None] + part[..., None, :]).reshape(*outputs.shape[:-1], -1)
        return total

    def to_action(self, latent: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
        return latent + self.start


@dataclass(frozen=True)
class BoxActions:
    """A bounded box; the latent's sigmoid is the share of the way from ``low`` to ``high``.

    The way is measured evenly, or evenly in the logarithm, as ``scale`` says of all entries or of each along the last
    axis. ``low`` and ``high`` have prod(``shape``) entries.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    shape: tuple[int, ...]
    scale: ActionScale = "linear"
    kind: Literal["box"] = field(default="box", init=False)

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for one action."""
        return len(self.low)

    @property
    def logarithmic(self) -> NDArray[np.bool_]:
        """Of each entry, whether its way is measured in the logarithm."""
        return logarithmic(self.scale, self.shape).ravel()

    def to_action(self, latent: Float[Array, "*batch dimensions"]) -> Float[Array, "*batch *shape"]:
        low, high = jnp.asarray(self.low, float), jnp.asarray(self.high, float)
        share = jax.nn.sigmoid(latent)
        ratio = jnp.where(self.logarithmic, high / low, 1.0)
        action = jnp.where(self.logarithmic, low * ratio**share, low + (high - low) * share)
        # Rounding may step over an end by one unit in the last place.
        return jnp.clip(action, low, high).reshape(*latent.shape[:-1], *self.shape)


Actions: TypeAlias = DiscreteActions | BoxActions


def actions_of(space: gymnasium.spaces.Space[Any], scale: ActionScale) -> Actions:
    """The actions of a Gymnasium space; ``scale`` is the environment's ``action_scale``.

    Raises TypeError for a space that is neither Discrete nor a float Box, ValueError for a Box without finite bounds
    or without positive ones where the scale is "log".
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        return DiscreteActions(int(space.n), int(space.start))
    if not isinstance(space, gymnasium.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise wrong_type("action_space", "Discrete or a Box of floats", space)
    check_bounds("action_space", space, scale)
    low, high = (tuple(map(float, bound.ravel())) for bound in (space.low, space.high))
    return BoxActions(low, high, space.shape, scale)
