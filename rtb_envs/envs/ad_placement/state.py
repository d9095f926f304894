"""The state of an AdPlacement."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class Counts:
    """What events brought; whole numbers."""

    opened: Int[Array, ""]
    filled: Int[Array, ""]
    impressions: Int[Array, ""]
    clicks: Int[Array, ""]
    revenue: Int[Array, ""]
    """Micro-dollars; of an episode, what is beyond whole dollars."""
    dollars: Int[Array, ""]
    """Whole dollars of an episode's revenue."""

    @classmethod
    def zero(cls) -> Counts:
        """Nothing yet."""
        nothing = jnp.zeros((), jnp.int32)
        return cls(nothing, nothing, nothing, nothing, nothing, nothing)


@pytree
@dataclass(frozen=True)
class State:
    """The site before an event. ``user_factor`` and ``remaining_budget`` are hidden from the agent."""

    t: Int[Array, ""]
    slot_type: Int[Array, ""]
    """Of the coming event."""
    has_user: Bool[Array, ""]
    """Whether anybody is there; without a user no slot is opened, whatever the action."""
    user_factor: Float[Array, ""]
    pressure: Int[Array, ""]
    """Of the user in the real market, in units of 2**-12 impressions; unused in the classic one."""
    exposures: Int[Array, ""]
    """Impressions of the session."""
    session_age: Int[Array, ""]
    """Events of the session so far."""
    remaining_budget: tuple[Int[Array, ""], ...]
    """Micro-dollars of each advertiser; what is not limited never falls."""
    recent_revenue: Int[Array, ""]
    """Micro-dollars of the rolling window; unused in the classic market, whose window is the episode."""
    recent_impressions: Int[Array, ""]
    """In units of 2**-10, likewise."""
    sessions: Int[Array, ""]
    """Sessions begun."""
    episode: Counts
