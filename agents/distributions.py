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

from rtb_envs.validation import wrong_type, wrong_value


@jax.tree_util.register_dataclass
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


@jax.tree_util.register_dataclass
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
    """The actions ``start`` .. ``start + count - 1``; the latent is the index from 0."""

    count: int
    start: int = 0
    kind: Literal["discrete"] = field(default="discrete", init=False)

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for one action."""
        return self.count

    def to_action(self, latent: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
        return latent + self.start


@dataclass(frozen=True)
class BoxActions:
    """A bounded box; the latent's sigmoid is the share of the way from ``low`` to ``high``.

    The way is measured evenly (``scale="linear"``) or evenly in the logarithm (``scale="log"``, positive bounds only).
    ``low`` and ``high`` have prod(``shape``) entries.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    shape: tuple[int, ...]
    scale: Literal["linear", "log"] = "linear"
    kind: Literal["box"] = field(default="box", init=False)

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for one action."""
        return len(self.low)

    def to_action(self, latent: Float[Array, "*batch dimensions"]) -> Float[Array, "*batch *shape"]:
        low, high = jnp.asarray(self.low, float), jnp.asarray(self.high, float)
        share = jax.nn.sigmoid(latent)
        action = low * (high / low) ** share if self.scale == "log" else low + (high - low) * share
        # Rounding may step over an end by one unit in the last place.
        return jnp.clip(action, low, high).reshape(*latent.shape[:-1], *self.shape)


Actions: TypeAlias = DiscreteActions | BoxActions


def actions_of(space: gymnasium.spaces.Space[Any], scale: Literal["linear", "log"]) -> Actions:
    """The actions of a Gymnasium space; ``scale`` is the environment's ``action_scale``.

    Raises TypeError for a space that is neither Discrete nor a float Box, ValueError for a Box without finite bounds
    or, with ``scale="log"``, without positive ones.
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        return DiscreteActions(int(space.n), int(space.start))
    if not isinstance(space, gymnasium.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise wrong_type("action_space", "Discrete or a Box of floats", space)
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise wrong_value("action_space", "a Box with finite bounds", space)
    if scale == "log" and not (space.low > 0).all():
        raise wrong_value("action_space", "a Box with positive bounds where action_scale is 'log'", space)
    low, high = (tuple(map(float, bound.ravel())) for bound in (space.low, space.high))
    return BoxActions(low, high, space.shape, scale)
