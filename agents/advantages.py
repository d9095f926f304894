"""Advantages of the actions taken, estimated from a rollout."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float


def generalized_advantages(
    reward: Float[Array, "steps *lanes"],
    value: Float[Array, "steps *lanes"],
    next_value: Float[Array, "steps *lanes"],
    terminated: Bool[Array, "steps *lanes"],
    truncated: Bool[Array, "steps *lanes"],
    gamma: ArrayLike,
    gae_lambda: ArrayLike,
) -> Float[Array, "steps *lanes"]:
    """GAE(gamma, lambda) (Schulman et al., "High-Dimensional Continuous Control Using GAE", 2016, eq. 16).

    ``next_value`` is the value of the observation that each step led to: the true final one where the episode ended,
    not the first one of the next episode. Nothing follows a termination, so its next value does not count; a
    truncated episode would have gone on, so its next value does. No advantage crosses an episode's end.
    """
    surprise = reward + gamma * jnp.where(terminated, 0, next_value) - value
    decay = jnp.where(terminated | truncated, 0, gamma * gae_lambda)

    def backwards(later: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        surprise, decay = step
        advantage = surprise + decay * later
        return advantage, advantage

    return lax.scan(backwards, jnp.zeros_like(value[0]), (surprise, decay), reverse=True)[1]


def relative_to_market(advantage: Float[Array, "steps lanes"], lanes_per_market: int) -> Float[Array, "steps lanes"]:
    """Each advantage less the mean of the other lanes' in the same market; consecutive lanes share one.

    What the other lanes got tells the luck that all of them met, and does not depend on this lane's action, so the
    policy gradient keeps its mean and loses variance (a leave-one-out baseline, Kool et al., "Buy 4 REINFORCE Samples,
    Get a Baseline for Free!", 2019, over common random numbers).
    """
    markets = advantage.reshape(advantage.shape[0], -1, lanes_per_market)
    others = (jnp.sum(markets, axis=-1, keepdims=True) - markets) / max(lanes_per_market - 1, 1)
    return (markets - others).reshape(advantage.shape)
