"""A trained network that draws its actions, with their propensities: a behaviour or a target policy for logged data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from agents.distributions import BoxActions, DiscreteActions
from agents.memory import Memory
from agents.network_policy import NetworkPolicy
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

_LARGEST_LATENT = 16.0
"""Beyond it a sigmoid is 0 or 1 in float32, up to rounding: an action on a bound stands for this latent."""


@pytree
@dataclass(frozen=True)
class StochasticNetworkPolicy:
    """``policy`` drawing from its network's distribution, as in training; it takes no mode."""

    policy: NetworkPolicy

    def init(self, params: Any) -> Memory:
        return self.policy.init(params)

    def act(self, stream: Stream, carry: Memory, observation: Float[Array, "*observation"]) -> tuple[Array, Memory]:
        """An action drawn for one observation, and the memory after it."""
        memory, distribution = self._distribution(carry, observation)
        return self.policy.spec.actions.to_action(distribution.sample(stream.key())), memory

    def log_propensity(self, carry: Memory, observation: Array, action: Array) -> Float[Array, ""]:
        """Natural logarithm of the action's probability, or of its density in the environment's Box."""
        _, distribution = self._distribution(carry, observation)
        actions = self.policy.spec.actions
        if isinstance(actions, DiscreteActions):
            return distribution.log_density((action - actions.start).astype(jnp.int32))
        latent, log_stretch = _latent(actions, action)
        return distribution.log_density(latent) - log_stretch

    def _distribution(self, carry: Memory, observation: Array) -> tuple[Memory, Any]:
        memory, view = carry.remember(observation, self.policy.spec.memory_decays)
        return memory, self.policy.spec.distribution(self.policy.weights, self.policy.normalizer.features(view))


def _latent(actions: BoxActions, action: Array) -> tuple[Float[Array, "dimensions"], Float[Array, ""]]:
    """The latent that ``actions.to_action`` maps to ``action``, and the logarithm of that map's Jacobian there."""
    low, high = (jnp.asarray(bound, float) for bound in (actions.low, actions.high))
    value = action.reshape(-1)
    # Of a linear entry the other formula is not read, but must not be NaN or infinite either.
    log_ratio = jnp.log(jnp.where(actions.logarithmic, high / low, math.e))
    progress = jnp.where(actions.logarithmic, value / low, 1.0)
    share = jnp.where(actions.logarithmic, jnp.log(progress) / log_ratio, (value - low) / (high - low))
    width = jnp.where(actions.logarithmic, value, high - low)
    log_width = jnp.log(width) + jnp.where(actions.logarithmic, jnp.log(log_ratio), 0.0)
    nearest = math.exp(-_LARGEST_LATENT)
    latent = jnp.log(jnp.maximum(share, nearest)) - jnp.log(jnp.maximum(1 - share, nearest))
    return latent, jnp.sum(log_width - jax.nn.softplus(latent) - jax.nn.softplus(-latent))
