"""What the numbers of a market may be: one table for ``Options`` and for ``Params.replace``, and rules between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rtb_envs import validation
from rtb_envs.envs.ad_auction.config import MAX_BID, MAX_BUDGET, MAX_EPISODE_VOLUME, MAX_HORIZON, MAX_VOLUME
from rtb_envs.random import NORMAL_BOUND

FloatArray = npt.NDArray[np.float64]

LARGE = 1e9
MAX_KNOTS = 64
MAX_TABLE = 2**27
"""Most entries of a table over steps, ads and users, or over ads or users and their features."""


@dataclass(frozen=True)
class Bound:
    """A range of one number, or of each entry of an array."""

    low: float
    high: float
    whole: bool = False
    """Whether the option must be an integer."""
    open_low: bool = False

    def check(self, name: str, value: Any, whole: bool) -> None:
        """Raise TypeError or ValueError, naming the field, for what is no number of the range."""
        if whole:
            validation.integer(name, value, int(self.low), int(self.high))
        else:
            validation.number(name, value, self.low, self.high, open_low=self.open_low)


_POSITIVE = Bound(0, LARGE, open_low=True)
NUMBERS = {
    "horizon": Bound(1, MAX_HORIZON, whole=True),
    "initial_budget": Bound(1, MAX_BUDGET, whole=True),
    "minimum_search_volume": Bound(1, MAX_VOLUME, whole=True),
    "target_cost_per_action": _POSITIVE,
    "instance_seed": Bound(0, 2**32 - 1, whole=True),
    "n_ads": Bound(1, 1_000_000, whole=True),
    "n_users": Bound(1, 1_000_000, whole=True),
    "ad_feature_dim": Bound(1, 10_000, whole=True),
    "user_feature_dim": Bound(1, 10_000, whole=True),
    "hybrid_weight": Bound(0, 1),
    "reserve_price": Bound(0, MAX_BID),
    "minimum_price": Bound(0, MAX_BID),
    "drift": Bound(0, 1),
    "shock_factor": Bound(0, 1e3, open_low=True),
    "shock_duration": Bound(0, 100_000, whole=True),
    "standard_bid_price": Bound(0, MAX_BID, open_low=True),
    "standard_bid_price_std": Bound(0, MAX_BID),
    "scaler": _POSITIVE,
    "multiplier_low": Bound(0, LARGE),
    "multiplier_high": Bound(0, float(np.finfo(np.float32).max), open_low=True),
    "n_actions": Bound(2, 100_000, whole=True),
}
"""Single numbers."""
ARRAYS = {
    "ad_features": Bound(-LARGE, LARGE),
    "user_features": Bound(-LARGE, LARGE),
    "search_volume_mean": Bound(0, MAX_VOLUME),
    "search_volume_std": Bound(0, MAX_VOLUME),
    "ad_sampling_rate": Bound(0, LARGE),
    "user_sampling_rate": Bound(0, LARGE),
    "predicted_rate": Bound(0, LARGE),
    "action_meanings": Bound(0, float(np.finfo(np.float32).max)),
    "bid_curve_knots": Bound(1e-6, 1e6),
}
"""Entries of arrays."""


def array(name: str, value: Any, shapes: Sequence[tuple[int, ...]]) -> FloatArray:
    """``value`` as a float64 array of one of ``shapes`` with entries in the bounds of the field ``name``."""
    return validation.array(name, value, shapes, ARRAYS[name].low, ARRAYS[name].high)


def normalised_rate(name: str, value: Any, steps: int, count: int) -> FloatArray:
    """Sampling rates [count] or [steps, count] as probabilities [steps, count], rows summing to 1."""
    rate = np.broadcast_to(array(name, value, [(count,), (steps, count)]), (steps, count))
    if (rate.sum(axis=1) <= 0).any():
        raise ValueError(f"{name} must have a positive sum in every step, got a sum of 0")
    probabilities: FloatArray = rate / rate.sum(axis=1, keepdims=True)
    return probabilities


def check_multipliers(low: float, high: float, meanings: Any = None) -> None:
    """Raise ValueError unless low < high, and the multipliers of discrete actions lie within."""
    limit = NUMBERS["multiplier_high"].high
    validation.number("multiplier_high", high, low, limit, open_low=True)
    if meanings is not None:
        validation.array("action_meanings", meanings, [np.shape(meanings)], low, high)


def check_knots(knots: FloatArray) -> None:
    """Raise ValueError unless the knots of a bid curve rise."""
    if (np.diff(knots) <= 1e-3 * knots[1:]).any():
        raise validation.wrong_value("bid_curve_knots", "increasing by a thousandth at least", knots.tolist())


def largest_volume(mean: FloatArray, std: FloatArray, minimum: float) -> int:
    """The largest volume that a step can draw."""
    return max(1, int(np.floor(max(float(np.max(mean + NORMAL_BOUND * std)), minimum))))


def check_volumes(mean: FloatArray, std: FloatArray, minimum: float, horizon: int) -> int:
    """``largest_volume``, or ValueError where a step's or an episode's volume could not be counted."""
    largest = largest_volume(mean, std, minimum)
    if largest > MAX_VOLUME:
        raise validation.wrong_value("search_volume_mean", f"such that no volume exceeds {MAX_VOLUME}", largest)
    if largest * horizon > MAX_EPISODE_VOLUME:
        allowed = f"such that no episode exceeds {MAX_EPISODE_VOLUME} auctions"
        raise ValueError(
            f"search_volume_mean must be {allowed}, got up to {largest} in each of horizon = {horizon} steps"
        )
    return largest


def check_table(**sizes: int) -> None:
    """Raise ValueError if a table of these sizes could not be held."""
    entries = int(np.prod([float(size) for size in sizes.values()]))
    if entries > MAX_TABLE:
        given = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        raise ValueError(f"{' * '.join(sizes)} must be at most {MAX_TABLE}, got {given}")
