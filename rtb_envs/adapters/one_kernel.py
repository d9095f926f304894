"""Programs too small for XLA's CPU executor, compiled into one kernel each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from rtb_envs import compile

# What XLA cannot do within a kernel, because it calls its runtime for it.
_NEEDS_RUNTIME = ("stablehlo.sort", "stablehlo.custom_call", "stablehlo.fft", "stablehlo.convolution", "chlo.top_k")


class OneKernel:
    """``function`` compiled as XLA's CPU backend compiles small loops, where it can: into one kernel.

    A single lane's step is dozens of kernels of less than a microsecond, and the executor takes longer to hand them
    between threads than they take to run. The memory of the first argument is reused.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> Any:
        if self._compiled is None:
            self._compiled = self._compile(arguments)
        return self._compiled(*arguments)

    def _compile(self, arguments: tuple[Any, ...]) -> Any:
        one_kernel = compile.jit(self._as_one_kernel, donate_argnums=0)
        ordinary = compile.jit(self._function, donate_argnums=0)
        lowered = one_kernel.lower(*arguments)
        text = lowered.as_text()
        if any(operation in text for operation in _NEEDS_RUNTIME):
            return ordinary
        try:
            lowered.compile()
        except jax.errors.JaxRuntimeError:  # something else that needs the runtime
            return ordinary
        return one_kernel

    def _as_one_kernel(self, *arguments: Any) -> Any:
        # The attributes that XLA gives to a call it makes of a small loop.
        return set_xla_metadata(jax.jit(self._function)(*arguments), inlineable="false", xla_cpu_small_call="true")
