"""What auctions are given, checked once at the edge; numbers that are traced are taken as they are."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rtb_envs import validation
from rtb_envs.tracing import checked


def some_bids(bids: ArrayLike, bidder_axis: int) -> Array:
    """``bids`` as an array, of any finite numbers; ValueError without a bidder on the first (0) or last (-1) axis."""
    bids = jnp.asarray(checked("bids", bids))
    if bids.ndim == 0 or bids.shape[bidder_axis] == 0:
        place = "first" if bidder_axis == 0 else "last"
        raise ValueError(f"bids: got shape {bids.shape}, the {place} axis must hold at least one bidder")
    return bids


def truths(name: str, value: Any) -> Array:
    """``value`` as an array of truth values; TypeError for numbers, which may be read as truth values by mistake."""
    allowed = "an array of True and False"
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise validation.wrong_type(name, allowed, value) from None
    if array.dtype != bool:
        raise validation.wrong_type(name, allowed, value)
    return array


def broadcast(name: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """``value`` broadcast to ``shape``; ValueError if it has more axes or other lengths."""
    try:
        return jnp.broadcast_to(value, shape)
    except ValueError:
        raise ValueError(f"{name}: got shape {np.shape(value)}, must broadcast to {shape}") from None


def common_shape(shape: tuple[int, ...], **values: ArrayLike | None) -> tuple[int, ...]:
    """The shape that ``shape`` and those of ``values`` broadcast to; ValueError naming the first that does not."""
    for name, value in values.items():
        if value is None:
            continue
        try:
            shape = jnp.broadcast_shapes(shape, jnp.shape(value))
        except ValueError:
            raise ValueError(f"{name}: got shape {jnp.shape(value)}, must broadcast with {shape}") from None
    return shape


def same_shape(axes: int, **values: Any) -> None:
    """ValueError unless all of ``values`` have the shape of the first one, and that so many axes."""
    expected: tuple[int, ...] | None = None
    for name, value in values.items():
        shape = jnp.shape(value)
        if len(shape) != axes:
            raise ValueError(f"{name}: got shape {shape}, must have {axes} {'axis' if axes == 1 else 'axes'}")
        if expected is None:
            expected = shape
        elif shape != expected:
            raise ValueError(f"{name}: got shape {shape}, must be {expected}, that of {next(iter(values))}")
