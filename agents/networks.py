"""The networks of actors and critics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from agents.distributions import Actions, BoxActions, Categorical, DiagonalGaussian, Distribution

Activation = Literal["tanh", "relu", "silu"]
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "relu": jax.nn.relu, "silu": jax.nn.silu}


class MLP(nn.Module):
    """Dense layers of ``hidden_sizes``, each followed by the activation, then one linear layer.

    Weights are orthogonal, scaled by the square root of 2 in hidden layers and by ``output_gain`` in the last one;
    biases are 0 (Andrychowicz et al., "What Matters In On-Policy Reinforcement Learning?", ICLR 2021).
    """

    hidden_sizes: tuple[int, ...]
    outputs: int
    activation: Activation
    output_gain: float

    @nn.compact
    def __call__(self, features: Float[Array, "*batch features"]) -> Float[Array, "*batch outputs"]:
        hidden = features
        for size in self.hidden_sizes:
            hidden = nn.Dense(size, kernel_init=nn.initializers.orthogonal(2**0.5))(hidden)
            hidden = ACTIVATIONS[self.activation](hidden)
        return nn.Dense(self.outputs, kernel_init=nn.initializers.orthogonal(self.output_gain))(hidden)


class Actor(nn.Module):
    """Features to the distribution over actions.

    The last layer begins small, so that the first policy is nearly the same everywhere: uniform over discrete actions,
    around the middle of a box with the standard deviation exp(``initial_log_std``) of the latent, which is a weight of
    its own and the same for every observation.
    """

    actions: Actions
    hidden_sizes: tuple[int, ...]
    activation: Activation
    initial_log_std: float = 0.0

    @nn.compact
    def __call__(self, features: Float[Array, "*batch features"]) -> Distribution:
        outputs = MLP(self.hidden_sizes, self.actions.outputs, self.activation, output_gain=0.01)(features)
        if not isinstance(self.actions, BoxActions):
            return Categorical(self.actions.logits(outputs))
        initial = nn.initializers.constant(self.initial_log_std)
        return DiagonalGaussian(outputs, self.param("log_std", initial, (self.actions.outputs,)))


class Critic(nn.Module):
    """Features to the expected return that is still to come."""

    hidden_sizes: tuple[int, ...]
    activation: Activation

    @nn.compact
    def __call__(self, features: Float[Array, "*batch features"]) -> Float[Array, "*batch"]:
        return MLP(self.hidden_sizes, 1, self.activation, output_gain=1.0)(features)[..., 0]
