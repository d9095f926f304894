"""A trained network as a policy: what learners hand out, what rollouts evaluate, what is saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from agents.distributions import Actions, Distribution
from agents.memory import Memory
from agents.networks import Activation, Actor
from agents.normalization import ObservationNormalizer
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


@dataclass(frozen=True)
class PolicySpec:
    """What fixes the shapes and the program of a policy. Hashable."""

    observation_shape: tuple[int, ...]
    actions: Actions
    hidden_sizes: tuple[int, ...]
    activation: Activation
    memory_decays: tuple[float, ...]
    """One for each average of past observations that the network sees beside the present one; see ``Memory``."""

    @property
    def view_shape(self) -> tuple[int, ...]:
        """Shape of what the network sees: the observation and its averages."""
        return (1 + len(self.memory_decays), *self.observation_shape)

    @property
    def actor(self) -> Actor:
        """The network, without its weights."""
        return Actor(self.actions, self.hidden_sizes, self.activation)

    def distribution(self, weights: Any, features: Float[Array, "*batch features"]) -> Distribution:
        """What the network with these weights draws its latents from."""
        distribution: Any = self.actor.apply(weights, features)
        return cast(Distribution, distribution)


@pytree
@dataclass(frozen=True)
class NetworkPolicy:
    """Acts by the most probable latent of its network: deterministic, for ONE environment."""

    weights: Any
    """The actor's."""
    normalizer: ObservationNormalizer
    spec: PolicySpec = field(metadata={"static": True})

    @classmethod
    def empty(cls, spec: PolicySpec) -> NetworkPolicy:
        """The shapes and dtypes of a policy of ``spec``, as ``jax.eval_shape`` gives them, to be filled with arrays."""

        def build() -> NetworkPolicy:
            normalizer = ObservationNormalizer.start(spec.view_shape)
            features = normalizer.features(jnp.zeros(spec.view_shape))
            return cls(spec.actor.init(jax.random.key(0), features), normalizer, spec)

        return jax.eval_shape(build)

    def init(self, params: Any) -> Memory:
        return Memory.start(self.spec.observation_shape, self.spec.memory_decays)

    def act(
        self, stream: Stream | None, carry: Memory, observation: Float[Array, "*observation"]
    ) -> tuple[Array, Memory]:
        """The action for one observation, in the environment's action space, and the memory after it."""
        memory, view = carry.remember(observation, self.spec.memory_decays)
        distribution = self.spec.distribution(self.weights, self.normalizer.features(view))
        return self.spec.actions.to_action(distribution.mode()), memory
