"""New numbers for a market's parameters: of the types and shapes that compiled code knows, and within their ranges.

What every ``Params.replace`` shares. Numbers that are traced can not be looked at and are clipped to their ranges.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs import validation
from rtb_envs.tracing import is_concrete

LARGE = 1e9


class Range(NamedTuple):
    """What a number, or each entry of an array, may be: [low, high], or (low, high] when ``open_low``."""

    low: float
    high: float
    open_low: bool = False


SHARE = Range(0, 1)


def known_fields(params: Any, changes: Mapping[str, Any], *, but: tuple[str, ...] = ()) -> None:
    """Raise TypeError if ``changes`` name what is no field of ``params``, or one of those that are not set by hand."""
    names = [field.name for field in fields(params) if field.name not in but]
    if unknown := sorted(set(changes) - set(names)):
        raise TypeError(f"unknown field {unknown[0]!r}; it must be one of {', '.join(names)}")


def fitted(
    old: Any, changes: Mapping[str, Any], ranges: Mapping[str, Range], *, prefix: str = "", lists: Collection[str] = ()
) -> dict[str, Any]:
    """``changes`` of numbers of the dataclass ``old`` in the types that those have; one number fills a whole array.

    Those named in ``lists`` may have any length. Errors name the field, after ``prefix``: TypeError for what is no
    number, a fraction where whole numbers are counted or a number in place of a truth value; ValueError for another
    shape or a number out of its range.
    """
    return {
        name: _fitted(prefix + name, value, getattr(old, name), ranges.get(name), name in lists)
        for name, value in changes.items()
    }


def fitted_part(name: str, part: Any, old: Any, ranges: Mapping[str, Range], *, lists: Collection[str] = ()) -> Any:
    """``part``, a dataclass of numbers of the kind of ``old``, with all of its numbers fitted."""
    if not isinstance(part, type(old)):
        raise validation.wrong_type(name, f"a {type(old).__name__}", part)
    numbers = {field.name: getattr(part, field.name) for field in fields(old)}
    return type(old)(**fitted(old, numbers, ranges, prefix=f"{name}.", lists=lists))


def _fitted(name: str, value: Any, old: Array, allowed: Range | None, is_list: bool) -> Array:
    given = _numbers(name, value) if is_concrete(value) else jnp.asarray(value)
    shape = given.shape if is_list and given.ndim == 1 and given.size else old.shape
    if given.shape not in ((), shape):
        expected = "(n,)" if is_list else " or ".join(map(str, dict.fromkeys((shape, ()))))
        raise ValueError(f"{name} must have shape {expected}, got shape {given.shape}")
    if (old.dtype == bool) != (given.dtype == bool):
        raise validation.wrong_type(name, "True or False" if old.dtype == bool else "a number", value)
    if jnp.issubdtype(old.dtype, jnp.integer) and not jnp.issubdtype(given.dtype, jnp.integer):
        raise validation.wrong_type(name, "a whole number", value)
    if allowed is not None:
        given = _within(name, given, old, allowed)
    return jnp.broadcast_to(jnp.asarray(given, old.dtype), shape)


def _numbers(name: str, value: Any) -> np.ndarray[Any, Any]:
    """A value that is not traced as an array of numbers or truth values."""
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "bOSUmMc":
            given.astype(np.float64)
            return given
    except (TypeError, ValueError):
        raise validation.wrong_type(name, "a number or an array of numbers", value) from None
    if given.dtype.kind != "b":
        raise validation.wrong_type(name, "a number or an array of numbers", value)
    return given


def _within(name: str, given: Any, old: Array, allowed: Range) -> Any:
    whole = jnp.issubdtype(old.dtype, jnp.integer)
    low, high, open_low = allowed
    if not whole:
        # In the field's own precision: a number taken from the parameters must fit them again.
        low, high = (float(np.asarray(bound, old.dtype)) for bound in (low, high))
    if is_concrete(given):
        with np.errstate(over="ignore"):
            looked_at = given if whole else given.astype(old.dtype)
        validation.array(name, looked_at, None, low, high, open_low=open_low)
        return given
    least = float(np.finfo(old.dtype).tiny) if open_low else low
    return jnp.clip(given, int(low) if whole else least, int(high) if whole else high)


def ordered(params: Any, low_name: str, high_name: str) -> None:
    """Raise ValueError, naming both, if the one field exceeds the other; traced ones are not looked at."""
    low, high = getattr(params, low_name), getattr(params, high_name)
    if is_concrete(low, high) and np.any(np.asarray(low) > np.asarray(high)):
        given = f"{np.asarray(low).tolist()} and {np.asarray(high).tolist()}"
        raise ValueError(f"{low_name} must not exceed {high_name}, got {given}")
