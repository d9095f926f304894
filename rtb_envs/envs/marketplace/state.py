"""What a marketplace carries from package to package, and from day to day."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from rtb_envs.envs.marketplace.params import Params
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class Accounts:
    """The campaigns' books; cents and impressions, int32."""

    channel: Int[Array, "campaigns"]
    budget: Int[Array, "campaigns"]
    """What each campaign had at the start."""
    remaining: Int[Array, "campaigns"]
    delivered: Int[Array, "campaigns"]
    deals: Int[Array, "campaigns"]
    """Deals struck, failed ones included."""
    turn: Int[Array, "channels"]
    """The campaign that direct trade asks first for the next package of each channel."""


def opening(channel: Int[Array, "campaigns"], params: Params) -> Accounts:
    """The books before the first package."""
    budget = params.campaign_budget[channel]
    nothing = jnp.zeros_like(channel)
    return Accounts(channel, budget, budget, nothing, nothing, jnp.zeros_like(params.campaign_budget))
