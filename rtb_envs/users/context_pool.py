"""Impression contexts with their predicted click rates, from which an environment draws one for each opportunity.

The pool that comes with the package was predicted by the model of ``rtb ctr train`` on synthetic impressions with the
schema of Avazu's click log; ``rtb ctr pool`` makes one from a model and a log of your own. A pool's file is a NumPy
archive (``.npz``) with one array for each field of ``ContextPool``, all of one length, readable without pickle.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float32, UInt8

from rtb_envs.pytrees import pytree

DEFAULT_POOL = Path(__file__).with_name("default_context_pool.npz")


@pytree
@dataclass(frozen=True)
class ContextPool:
    """Contexts of impressions, one an index; drawn uniformly they have the click rate of the log they come from.

    ``ctr`` is the predicted click probability in (0, 1). The descriptors are Avazu's: ``hour_of_day`` 0–23,
    ``day_of_week`` 1 (Monday) to 7, and the codes ``banner_pos``, ``device_type`` and ``device_conn_type``.
    """

    ctr: Float32[Array, "contexts"]
    hour_of_day: UInt8[Array, "contexts"]
    day_of_week: UInt8[Array, "contexts"]
    banner_pos: UInt8[Array, "contexts"]
    device_type: UInt8[Array, "contexts"]
    device_conn_type: UInt8[Array, "contexts"]

    @property
    def contexts(self) -> int:
        """How many contexts there are."""
        return int(self.ctr.shape[0])


@cache
def default_pool() -> ContextPool:
    """The pool that comes with the package: 16,384 contexts with a mean click rate of .17."""
    return load_pool(DEFAULT_POOL)


def load_pool(path: str | os.PathLike[str]) -> ContextPool:
    """The pool in the file ``path``.

    Raises FileNotFoundError when there is no such file, and ValueError, naming the file, when it is no pool: not an
    archive, a field missing, of another length or type, or a click rate outside (0, 1).
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, AttributeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a context pool: {error}") from None
    _check(arrays, path)
    # Read outside any trace in progress: the pool is a constant to whoever asks for it first while being compiled.
    with jax.ensure_compile_time_eval():
        return ContextPool(**{field.name: jnp.asarray(arrays[field.name]) for field in fields(ContextPool)})


def _check(arrays: dict[str, np.ndarray], path: str | os.PathLike[str]) -> None:
    """Raise ValueError for the first thing that is wrong with a pool's arrays."""
    missing = [field.name for field in fields(ContextPool) if field.name not in arrays]
    if missing:
        raise ValueError(f"{path} is not a context pool: no {', '.join(missing)}")
    contexts = arrays["ctr"].shape
    for field in fields(ContextPool):
        array, dtype = arrays[field.name], np.float32 if field.name == "ctr" else np.uint8
        if array.dtype != dtype or array.ndim != 1 or array.shape != contexts or array.size == 0:
            raise ValueError(
                f"{path}: {field.name} is {array.dtype}{list(array.shape)}, must be {np.dtype(dtype)}[contexts] "
                f"with at least one context, as many as ctr"
            )
    ctr = arrays["ctr"]
    if not ((ctr > 0) & (ctr < 1)).all():
        raise ValueError(f"{path}: ctr must lie in (0, 1)")
