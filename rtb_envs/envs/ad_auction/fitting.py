"""New numbers for a market's parameters: cast to the types and shapes that compiled code knows, and checked."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs import validation
from rtb_envs.envs.ad_auction import bounds
from rtb_envs.envs.ad_auction.laws import METHODS, MarketSize, check_shapes
from rtb_envs.tracing import is_concrete

if TYPE_CHECKING:
    from rtb_envs.envs.ad_auction.params import Params

_OPTIONAL = ("ad_sampling_rate", "user_sampling_rate", "predicted_rate", "scaler", "target_cost_per_action")


def size_of(params: Params) -> MarketSize:
    """The lengths of the market's arrays."""
    return MarketSize(params.search_volume_mean.shape[0], params.ad_features.shape[0], params.user_features.shape[0])


def fitted(params: Params, changes: dict[str, Any]) -> dict[str, Any]:
    """``changes`` as ``params`` holds them.

    Raises TypeError for an unknown field or a number of the wrong kind, ValueError for a wrong shape and, of numbers
    that are not traced, for one out of bounds. Traced numbers are clipped to their bounds.
    """
    names = [field.name for field in fields(params) if field.name != "derived"]
    if unknown := sorted(set(changes) - set(names)):
        raise TypeError(f"unknown field {unknown[0]!r}; it must be one of {', '.join(names)}")
    return {name: _fitted(name, value, params) for name, value in changes.items()}


def _fitted(name: str, value: Any, params: Params) -> Any:
    old, size = getattr(params, name), size_of(params)
    if name in METHODS:
        check_shapes(name, value, METHODS[name], size)
        return value
    if name == "shift":
        if not isinstance(value, type(old)):
            raise validation.wrong_type(name, f"a {type(old).__name__}", value)
        parts = {field.name: getattr(value, field.name) for field in fields(old)}
        return type(old)(**{part: _number(part, given, getattr(old, part)) for part, given in parts.items()})
    if value is None and (old is None or name in _OPTIONAL):
        return None
    if name in bounds.NUMBERS:
        number = _number(name, value, jnp.zeros((), float) if old is None else old)
        # Laws and volumes have no step beyond the compiled length; a concrete horizon is checked with them.
        return jnp.minimum(number, size.steps) if name == "horizon" and not is_concrete(value) else number
    if old is None and name not in _OPTIONAL:
        raise validation.wrong_value(name, "None in an environment whose actions have another form", value)
    return _array(name, value, old, size)


def _number(name: str, value: Any, old: Array) -> Array:
    bound = bounds.NUMBERS[name]
    whole = jnp.issubdtype(old.dtype, jnp.integer)
    if is_concrete(value):
        number = np.asarray(value)
        if number.ndim:
            raise ValueError(f"{name} must be one number, got shape {number.shape}")
        bound.check(name, number.item(), whole)
        return jnp.asarray(number, old.dtype)
    traced = _same_kind(name, value, whole)
    if traced.ndim:
        raise ValueError(f"{name} must be one number, got shape {traced.shape}")
    least = float(np.finfo(old.dtype).tiny) if bound.open_low else bound.low
    return jnp.clip(traced, int(bound.low) if whole else least, int(bound.high) if whole else bound.high).astype(
        old.dtype
    )


def _same_kind(name: str, value: Any, whole: bool) -> Array:
    """A traced value as an array; TypeError for a fraction where whole numbers are counted."""
    traced = jnp.asarray(value)
    if traced.dtype == bool or (whole and not jnp.issubdtype(traced.dtype, jnp.integer)):
        raise validation.wrong_type(name, "an integer" if whole else "a number", traced)
    return traced


def _array(name: str, value: Any, old: Array | None, size: MarketSize) -> Array:
    dtype = jnp.zeros((), float).dtype if old is None else old.dtype
    count = size.ads if name == "ad_sampling_rate" else size.users
    shape = {
        "ad_sampling_rate": (size.steps, count),
        "user_sampling_rate": (size.steps, count),
        "predicted_rate": tuple(size),
    }.get(name, () if old is None else old.shape)
    samples, over_time = name.endswith("sampling_rate"), name.startswith("search_volume")
    shapes = [shape[1:], shape] if samples or over_time else [shape]
    if is_concrete(value):
        # In the field's own precision first: a number taken from the parameters must fit them again.
        given = value if samples else _in_precision(value, dtype)
        checked = (
            bounds.normalised_rate(name, given, size.steps, count) if samples else bounds.array(name, given, shapes)
        )
        return jnp.asarray(np.broadcast_to(checked, shape), dtype)
    traced = _same_kind(name, value, whole=False).astype(dtype)
    if traced.shape not in shapes:
        raise ValueError(f"{name} must have shape {' or '.join(map(str, shapes))}, got shape {traced.shape}")
    traced = jnp.clip(jnp.broadcast_to(traced, shape), bounds.ARRAYS[name].low, bounds.ARRAYS[name].high)
    return traced / jnp.sum(traced, axis=1, keepdims=True) if samples else traced


def _in_precision(value: Any, dtype: Any) -> Any:
    given = np.asarray(value)
    return given.astype(dtype).astype(np.float64) if given.dtype.kind in "iuf" else value


def check_together(params: Params) -> None:
    """Raise ValueError for numbers that do not fit each other; those that are traced are not looked at."""
    steps = params.search_volume_mean.shape[0]
    if is_concrete(params.horizon):
        validation.integer("horizon", int(params.horizon), 1, steps)
        volumes = (params.search_volume_mean, params.search_volume_std, params.minimum_search_volume)
        if is_concrete(volumes):
            mean, std, minimum = (np.asarray(number, np.float64) for number in volumes)
            bounds.check_volumes(mean, std, float(minimum), int(params.horizon))
    multipliers = (params.multiplier_low, params.multiplier_high)
    if is_concrete(multipliers):
        meanings = params.action_meanings if is_concrete(params.action_meanings) else None
        bounds.check_multipliers(float(params.multiplier_low), float(params.multiplier_high), meanings)
    if params.bid_curve_knots is not None and is_concrete(params.bid_curve_knots):
        bounds.check_knots(np.asarray(params.bid_curve_knots, np.float64))
