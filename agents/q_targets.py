"""What action values are regressed on: n-step returns, and the double estimate of what follows them."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int


class Returns(NamedTuple):
    """Of each step of a rollout, its n-step return and what is to be added to it."""

    reward: Float[Array, "steps *lanes"]
    """Rewards of the step and of up to n - 1 after it, discounted."""
    discount: Float[Array, "steps *lanes"]
    """Factor of the value of what the last of these steps led to; 0 after a termination."""
    last: Int[Array, "steps *lanes"]
    """Index of the last of these steps."""


def n_step_returns(
    reward: Float[Array, "steps *lanes"],
    terminated: Bool[Array, "steps *lanes"],
    truncated: Bool[Array, "steps *lanes"],
    gamma: ArrayLike,
    n: int,
) -> Returns:
    """n-step returns (Watkins, 1989; Sutton & Barto, 2018, eq. 7.1), cut short where an episode or the rollout ends.

    Nothing follows a termination, so its discount is 0; a truncated episode would have gone on, so its is not. Actions
    after the first are the behaviour's, uncorrected, as in Rainbow (Hessel et al., AAAI 2018).
    """
    one = Returns(
        reward,
        jnp.where(terminated, 0.0, jnp.asarray(gamma, float)),
        jnp.broadcast_to(jnp.arange(reward.shape[0]).reshape(-1, *(1,) * (reward.ndim - 1)), reward.shape),
    )
    goes_on = ~(terminated | truncated).at[-1].set(True)
    several = one
    for _ in range(n - 1):
        later = Returns(*(jnp.roll(x, -1, axis=0) for x in several))
        several = Returns(
            jnp.where(goes_on, reward + gamma * later.reward, one.reward),
            jnp.where(goes_on, gamma * later.discount, one.discount),
            jnp.where(goes_on, later.last, one.last),
        )
    return several


def double_q_targets(
    reward: Float[Array, "*batch"],
    discount: Float[Array, "*batch"],
    next_values: Float[Array, "*batch actions"],
    next_target_values: Float[Array, "*batch actions"],
) -> Float[Array, "*batch"]:
    """Double Q-learning's targets (van Hasselt, Guez & Silver, AAAI 2016, eq. 4).

    The network chooses the next action (``next_values``) and the target network values it, so that no network's noise
    is both the reason for an action and its value.
    """
    chosen = jnp.argmax(next_values, axis=-1, keepdims=True)
    return reward + discount * jnp.take_along_axis(next_target_values, chosen, axis=-1)[..., 0]
