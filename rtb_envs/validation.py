"""Checks of configuration values at the edge: one message form, naming field, allowed values and what was given."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

_MOST_SHOWN = 200


def shown(value: object) -> str:
    """``repr(value)``, cut to some 200 characters: a message says what was given and does not repeat all of it."""
    try:
        text = repr(value)
    except ValueError:
        # Python writes out no integer of more than 4,300 digits.
        return f"a {type(value).__name__} that is too long to be shown"
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 20]}... ({len(text):,} characters)"


def wrong_value(name: str, allowed: str, value: object) -> ValueError:
    """The error for a value of the right type that is not allowed."""
    return ValueError(f"{name} must be {allowed}, got {shown(value)}")


def wrong_type(name: str, allowed: str, value: object) -> TypeError:
    """The error for a value of the wrong type."""
    return TypeError(f"{name} must be {allowed}, got {shown(value)} of type {type(value).__name__}")


def integer(name: str, value: Any, low: int, high: int) -> int:
    """``value`` as an int within [low, high]; booleans and floats are refused."""
    allowed = f"an integer in [{low}, {high}]"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise wrong_type(name, allowed, value)
    if not low <= int(value) <= high:
        raise wrong_value(name, allowed, value)
    return int(value)


def number(name: str, value: Any, low: float, high: float, *, open_low: bool = False) -> float:
    """``value`` as a finite float within [low, high], or (low, high] when ``open_low``."""
    allowed = f"a finite number in {'(' if open_low else '['}{low:g}, {high:g}]"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise wrong_type(name, allowed, value)
    try:
        result = float(value)
    except OverflowError:
        raise wrong_value(name, allowed, value) from None
    if not (low <= result <= high and np.isfinite(result)) or (open_low and result == low):
        raise wrong_value(name, allowed, value)
    return result


def choice(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """``value`` if it is one of ``allowed``."""
    if not any(value is option or (type(value) is type(option) and value == option) for option in allowed):
        raise wrong_value(name, "one of " + ", ".join(map(repr, allowed)), value)
    return value


def boolean(name: str, value: Any) -> bool:
    """``value`` as a bool; nothing else is taken for one."""
    if not isinstance(value, bool | np.bool_):
        raise wrong_type(name, "True or False", value)
    return bool(value)


def array(
    name: str,
    value: Any,
    shapes: Sequence[tuple[int, ...]] | None,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    infinite: bool = False,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """``value`` as a float64 array of one of ``shapes`` (None is any) with every entry in [low, high].

    (low, high] when ``open_low``; entries are finite unless ``infinite``. Booleans and text are refused.
    """
    of_shape = "" if shapes is None else " of shape " + " or ".join(map(str, shapes))
    try:
        given = np.asarray(value)
        result = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise wrong_type(name, f"an array of numbers{of_shape}", value) from None
    if given.dtype.kind in "bcOSUmM":
        raise wrong_type(name, f"an array of numbers{of_shape}", value)
    if shapes is not None and result.shape not in shapes:
        raise ValueError(f"{name} must have shape {' or '.join(map(str, shapes))}, got shape {result.shape}")
    good = (result > low if open_low else result >= low) & (result <= high)
    if not infinite:
        good &= np.isfinite(result)
    if not good.all():
        entry = tuple(int(i) for i in np.argwhere(~good)[0])
        interval = f"{'(' if open_low else '['}{low:g}, {high:g}]"
        numbers = f"{'' if infinite else 'finite '}numbers in {interval}"
        raise ValueError(f"{name} must hold {numbers}, got {float(result[entry])} at {entry}")
    return result
