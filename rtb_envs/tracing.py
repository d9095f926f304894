"""Numbers that may be traced: their values are known only when the compiled program runs, so none can be looked at."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import validation


def is_concrete(*trees: Any) -> bool:
    """Whether no number is traced, that is, whether all can be looked at."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def checked(
    name: str,
    value: Any,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    infinite: bool = False,
) -> Any:
    """``value``, a list as an array, after ``validation.array`` has looked at its numbers unless they are traced.

    Numbers of 64 bits are refused too where JAX's type, of 32 bits by default, would make others of them.
    """
    known = is_concrete(value)
    if known:
        validation.array(name, value, None, low, high, open_low=open_low, infinite=infinite)
        _check_fits(name, value, infinite)
    if isinstance(value, list | tuple):
        # NumPy's stays concrete within a program that is being traced.
        return np.asarray(value) if known else jnp.asarray(value)
    return value


def _check_fits(name: str, value: Any, infinite: bool) -> None:
    given = np.asarray(value).dtype
    taken = jax.dtypes.canonicalize_dtype(given)
    if taken == given:
        return
    if np.issubdtype(taken, np.integer):
        validation.array(name, value, None, np.iinfo(taken).min, np.iinfo(taken).max)
    elif not infinite:
        validation.array(name, value, None, float(np.finfo(taken).min), float(np.finfo(taken).max))
