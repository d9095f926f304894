"""How a policy spreads itself over a Box of actions: evenly in an entry, or evenly in its logarithm."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from gymnasium import spaces

from rtb_envs import validation

Spread: TypeAlias = Literal["linear", "log"]
ActionScale: TypeAlias = Spread | tuple[Spread, ...]
"""One spread for every entry of an action, or one for each entry along its last axis."""


def logarithmic(scale: ActionScale, shape: tuple[int, ...]) -> np.ndarray:
    """Which entries of actions of ``shape`` are spread evenly in the logarithm, as bools of that shape.

    Raises ValueError for another spread, or for another number of spreads than the last axis of ``shape`` has entries.
    """
    spreads = (scale,) if isinstance(scale, str) else scale
    if not set(spreads) <= {"linear", "log"}:
        raise validation.wrong_value("action_scale", "'linear' or 'log', or a tuple of them", scale)
    if not isinstance(scale, str) and (not shape or len(scale) != shape[-1]):
        allowed = f"one spread for each of the {shape[-1] if shape else 1} entries of an action"
        raise validation.wrong_value("action_scale", allowed, scale)
    return np.broadcast_to(np.array([spread == "log" for spread in spreads]), shape if shape else (1,)).reshape(shape)


def check_bounds(field: str, space: spaces.Box, scale: ActionScale) -> None:
    """Raise ValueError naming ``field`` unless every bound is finite, and positive where the spread is "log"."""
    log = logarithmic(scale, space.shape)
    if not np.isfinite([space.low, space.high]).all():
        raise validation.wrong_value(field, "a Box with finite bounds", space)
    if (space.low[log] <= 0).any():
        raise validation.wrong_value(field, "a Box with positive bounds where action_scale is 'log'", space)
