"""Bidders that learn a distribution of shading factors off policy: by importance sampling, or doubly robust.

Source: Jeunen, Murphy and Allison, "Off-Policy Learning-to-Bid with AuctionGym", KDD 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from rtb_envs.envs.contextual_auction.bidders import (
    EXPLORATION,
    check_exploration,
    check_shading,
    explored,
    log_normal_density,
)
from rtb_envs.envs.contextual_auction.learning import Log, Shading
from rtb_envs.envs.contextual_auction.value_learning import fit_win_rate, win_features
from rtb_envs.pytrees import pytree
from rtb_envs.random import Draw

LEAST_STD = 0.01
MAX_WEIGHT = 5.0
"""Importance weights are clipped to [1 / MAX_WEIGHT, MAX_WEIGHT]."""
_ADAM_STEPS, _LEARNING_RATE = 100, 0.01
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()


class ShadingPolicy(NamedTuple):
    """Factors ~ N(m . x, (softplus(s . x) + 0.01)**2) where x = (1, estimated CTR, value)."""

    mean: Float[Array, "3"]
    std: Float[Array, "3"]

    def distribution(self, estimated_ctr: Array, value: Array) -> tuple[Array, Array]:
        """Mean and standard deviation for each round."""
        x = jnp.stack([jnp.ones_like(value), estimated_ctr, value])
        return self.mean @ x, jax.nn.softplus(self.std @ x) + LEAST_STD


@pytree
@dataclass(frozen=True)
class PolicyLearning:
    """Learns a policy by importance sampling of the surplus that each factor brought.

    The objective is the mean of min(w u, clip(w) u), w being the weight and u the surplus less its mean: the
    pessimistic one of Schulman et al., "Proximal Policy Optimization Algorithms", arXiv:1707.06347, 2017.
    """

    exploration: float | Array = EXPLORATION
    initial: float | Array = 1.0
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_exploration(self.exploration)
        check_shading("initial", self.initial)

    def init(self) -> ShadingPolicy:
        std = jnp.maximum(jnp.asarray(self.exploration, float) - LEAST_STD, 1e-3)
        first = jnp.asarray([1.0, 0.0, 0.0])
        return ShadingPolicy(first * self.initial, first * jnp.log(jnp.expm1(std)))

    def shade(
        self, draw: Draw, memory: ShadingPolicy, estimated_ctr: Float[Array, "rounds"], value: Float[Array, "rounds"]
    ) -> Shading:
        return explored(draw, *memory.distribution(estimated_ctr, value))

    def update(self, memory: ShadingPolicy, log: Log) -> ShadingPolicy:
        surplus = log.surplus - _mean_of_rounds(log.surplus, log)

        def objective(policy: ShadingPolicy) -> Array:
            weight, clipped = _importance(policy, log)
            return _mean_of_rounds(jnp.minimum(weight * surplus, clipped * surplus), log)

        return _ascended(objective, memory)


@pytree
@dataclass(frozen=True)
class DoublyRobust(PolicyLearning):
    """Learns a policy from a model of the win rate, corrected by importance sampling of the model's errors.

    The objective is the mean of E[q(g)] over the policy's factors g, by five-point Gauss-Hermite quadrature, plus
    clip(w) (u - q(g logged)), where q(g) = P(win | g) (1 - g) * estimated value is the model's surplus, under first
    price.
    """

    def update(self, memory: ShadingPolicy, log: Log) -> ShadingPolicy:
        win_rate = fit_win_rate(log)

        def modelled(proposed: Array) -> Array:
            factor = jnp.clip(proposed, 0, 1)
            wins = jax.nn.sigmoid(win_rate @ win_features(log.estimated_ctr, log.value, factor))
            return wins * (1 - factor) * log.estimated_ctr * log.value

        error = log.surplus - modelled(log.proposed)

        def objective(policy: ShadingPolicy) -> Array:
            mean, std = policy.distribution(log.estimated_ctr, log.value)
            nodes = zip(_NODES.tolist(), _NODE_WEIGHTS.tolist(), strict=True)
            expected = sum((share * modelled(mean + node * std) for node, share in nodes), start=jnp.zeros(()))
            return _mean_of_rounds(expected + _importance(policy, log)[1] * error, log)

        return _ascended(objective, memory)


def _importance(policy: ShadingPolicy, log: Log) -> tuple[Array, Array]:
    """Importance weights of the logged factors, and the same clipped."""
    log_density = log_normal_density(log.proposed, *policy.distribution(log.estimated_ctr, log.value))
    weight = jnp.exp(jnp.clip(log_density - log.log_propensity, -30, 30))
    return weight, jnp.clip(weight, 1 / MAX_WEIGHT, MAX_WEIGHT)


def _mean_of_rounds(amount: Array, log: Log) -> Array:
    return jnp.sum(jnp.where(log.takes_part, amount, 0)) / jnp.maximum(jnp.sum(log.takes_part), 1)


def _ascended(objective: Callable[[ShadingPolicy], Array], start: ShadingPolicy) -> ShadingPolicy:
    """The policy after 100 steps of Adam (Kingma and Ba, arXiv:1412.6980, 2014) uphill."""

    def step(count: int, carry: tuple[ShadingPolicy, ShadingPolicy, ShadingPolicy]) -> tuple[ShadingPolicy, ...]:
        policy, first, second = carry
        gradient = jax.grad(objective)(policy)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, second, gradient)
        bias1, bias2 = 1 - 0.9 ** (count + 1.0), 1 - 0.999 ** (count + 1.0)
        policy = jax.tree.map(
            lambda p, m, v: p + _LEARNING_RATE * (m / bias1) / (jnp.sqrt(v / bias2) + 1e-8), policy, first, second
        )
        return policy, first, second

    nothing = jax.tree.map(jnp.zeros_like, start)
    result: ShadingPolicy = lax.fori_loop(0, _ADAM_STEPS, step, (start, nothing, nothing))[0]
    return result
