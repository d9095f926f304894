"""How many search results there are to bid on: the shape of a day and the random volume of a step."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from rtb_envs.random import normal_from_uniform

_AUCTIONNET_HOURS = (
    *(0.811, 0.327, 0.195, 0.154, 0.220, 0.564, 0.859, 1.204, 1.668, 1.692, 1.682, 1.417),
    *(1.102, 1.111, 1.025, 1.044, 1.073, 0.875, 0.824, 0.965, 1.202, 1.433, 1.337, 1.216),
)
HOUR_WEIGHTS: tuple[float, ...] = tuple(weight * 24 / sum(_AUCTIONNET_HOURS) for weight in _AUCTIONNET_HOURS)
"""Traffic of each hour of the day relative to the day's mean, midnight first (that the source starts at midnight is an
assumption): hourly sums of AuctionNet's 48 half-hour ticks (Su et al., NeurIPS 2024), scaled to mean 1."""


def hour_weights(horizon: int) -> Float[Array, "horizon"]:
    """Float32 traffic of each of ``horizon`` equal steps of one day, relative to the day's mean (so the mean is 1).

    A step's weight is the average of the piecewise constant day curve ``HOUR_WEIGHTS`` over it. Raises ValueError for
    ``horizon`` < 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon: got {horizon}, must be at least 1")
    until_hour = np.concatenate([[0.0], np.cumsum(HOUR_WEIGHTS)])
    step_ends = np.linspace(0.0, 24.0, horizon + 1)
    traffic = np.diff(np.interp(step_ends, np.arange(25), until_hour))
    return jnp.asarray(traffic * horizon / 24, dtype=jnp.float32)


def search_volume(
    uniform: Float[ArrayLike, "*#batch"],
    mean: Float[ArrayLike, "*#batch"],
    std: Float[ArrayLike, "*#batch"],
    minimum: Float[ArrayLike, "*#batch"],
) -> Int[Array, "*batch"]:
    """int32 number of auctions in a step: a Normal(mean, std) draw, at least ``minimum``, without its fraction.

    ``uniform`` in (0, 1) is the draw; ``minimum`` >= 0.
    """
    volume = mean + std * normal_from_uniform(jnp.asarray(uniform))
    return jnp.maximum(volume, minimum).astype(jnp.int32)
