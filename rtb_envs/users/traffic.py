"""How many search results there are to bid on: the shape of a day and the random volume of a step."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.special import ndtr

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


def expected_search_volume(mean: ArrayLike, std: ArrayLike, minimum: float) -> NDArray[np.float64]:
    """The mean of ``search_volume``, for a ``mean`` and ``std`` of equal shapes: in float64, without its fraction lost.

    A whole number that is at least floor(minimum) has the mean floor(minimum) + sum over k > floor(minimum) of the
    probability to reach k; k goes to 12 standard deviations above the mean.
    """
    centre, spread = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(std, np.float64))
    least = math.floor(minimum)
    most = math.ceil(max(least, np.max(centre + 12 * spread, initial=0.0)))
    whole = np.arange(least + 1, most + 1)
    distance = whole - centre[..., None]
    # Of what does not spread the distance alone decides.
    reached = np.where(distance > 0, 0.0, 1.0)
    sure = spread[..., None] > 0
    reached = np.where(sure, ndtr(-distance / np.where(sure, spread[..., None], 1.0)), reached)
    expected: NDArray[np.float64] = least + reached.sum(axis=-1)
    return expected


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
