"""The one place for compiler options, how programs are dispatched, and the persistent compilation cache.

Whether XLA's CPU backend uses its fusion emitters decides a factor of two on auction kernels inside ``lax.scan``, and
which way depends on the kernel: one that is reduced in a single pass, as AdAuction's, runs twice as fast with them on
two cores, because without them such a reduction stays on one. So ``jit`` says it, on the CPU only, after probing that
the installed XLA knows the option; results are the same (a test compares them) and ``make bench`` measures both.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

CPU_OPTIONS: dict[str, bool] = {"xla_cpu_use_fusion_emitters": True}
CACHE_VARIABLE = "RTB_ENVS_CACHE"
DISPATCH_VARIABLE = "JAX_CPU_ENABLE_ASYNC_DISPATCH"

_prepared_in: int | None = None
"""The process in which JAX was made ready."""


@functools.cache
def compiler_options() -> dict[str, bool]:
    """The options that this machine's XLA accepts: empty on accelerators and where the option is gone."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=CPU_OPTIONS).lower(jnp.float32(0)).compile()
    except Exception:  # XLA reports an unknown option by a runtime error whose type differs between versions
        return {}
    return dict(CPU_OPTIONS)


def jit(function: Callable[..., Any], **options: Any) -> Any:
    """``jax.jit`` with this project's compiler options; ``options`` are jax.jit's own.

    Call it where something is about to run, not at import: it starts JAX's backend.
    """
    prepare()
    return jax.jit(function, compiler_options=compiler_options() or None, **options)


def prepare() -> None:
    """Make JAX ready for what this package runs: its dispatch and its cache; called before anything is computed.

    Raises RuntimeError in a process that was forked from one in which JAX has run: JAX's threads are not there, and
    what waits for them waits forever.
    """
    global _prepared_in
    if _prepared_in not in (None, os.getpid()):
        raise RuntimeError(
            "JAX cannot run in a process forked from one in which it has run: start processes by spawning, as in "
            'gymnasium.vector.AsyncVectorEnv(..., context="spawn"); gymnasium.make_vec(id, num_envs) needs no processes'
        )
    if _prepared_in is None:
        _prepared_in = os.getpid()
        dispatch_inline()
        enable_cache()


def dispatch_inline() -> None:
    """Have the CPU run programs on the thread that calls them, unless JAX's own variable has been set.

    A step of one environment takes 20 microseconds, and handing it to another thread and waiting for the answer takes
    30 more. JAX reads the setting when its backend starts, so a backend that runs already stays as it is.
    """
    if DISPATCH_VARIABLE not in os.environ:
        jax.config.update("jax_cpu_enable_async_dispatch", False)


def enable_cache() -> None:
    """Keep compiled programs on disk between processes.

    The directory is ``$RTB_ENVS_CACHE``, else ``~/.cache/rtb-envs``; an empty variable turns the cache off. A
    directory that the user has already given to JAX is left alone.
    """
    directory = os.environ.get(CACHE_VARIABLE, str(Path.home() / ".cache" / "rtb-envs"))
    if not directory or jax.config.values["jax_compilation_cache_dir"]:
        return
    jax.config.update("jax_compilation_cache_dir", directory)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
