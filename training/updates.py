"""Updates of a learner in compiled chunks, with the environments' lanes spread over all devices."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from agents.registry import Learner
from rtb_envs import compile


class Updates:
    """Up to ``size`` updates in one compiled call."""

    def __init__(self, learner: Learner, size: int) -> None:
        self._learner, self._size = learner, size
        self._program: Any = None

    def compile(self, state: Any, params: Any) -> float:
        """Seconds that compiling took; a program in the persistent cache is only loaded."""
        begun = time.perf_counter()
        lowered = compile.jit(self._chunk).lower(state, params, jnp.int32(0), jnp.bool_(False))
        self._program = lowered.compile()
        return time.perf_counter() - begun

    def run(self, state: Any, params: Any, count: int, enters_stage: bool) -> tuple[Any, list[dict[str, float]]]:
        """The state after ``count`` updates, and the metrics of each; new episodes first where a stage is entered."""
        state, metrics = self._program(state, params, jnp.int32(count), jnp.bool_(enters_stage))
        host = {name: np.asarray(metrics[name], np.float64) for name in sorted(metrics)}
        return over_devices(state), [{name: float(host[name][i]) for name in host} for i in range(count)]

    def _chunk(self, state: Any, params: Any, count: Array, enters_stage: Array) -> tuple[Any, dict[str, Array]]:
        state = lax.cond(enters_stage, self._learner.restart, lambda state, _: state, state, params)
        _, scalars = jax.eval_shape(self._learner.update, state, params)
        empty = {name: jnp.zeros(self._size, scalar.dtype) for name, scalar in scalars.items()}

        def update(i: Array, carry: tuple[Any, dict[str, Array]]) -> tuple[Any, dict[str, Array]]:
            state, metrics = carry
            state, scalars = self._learner.update(state, params)
            return state, {name: metrics[name].at[i].set(scalars[name]) for name in metrics}

        # The count is traced, so that one program, hence the same arithmetic, serves chunks of any number of updates.
        return lax.fori_loop(0, count, update, (state, empty))


def over_devices(state: Any) -> Any:
    """``state`` with its lanes split evenly over the devices, if they can be, and the rest on every device.

    Of a team, each learner's.
    """
    devices = jax.devices()
    if len(devices) == 1:
        return state
    mesh = Mesh(np.array(devices), ("lanes",))
    split, whole = NamedSharding(mesh, PartitionSpec("lanes")), NamedSharding(mesh, PartitionSpec())
    if hasattr(state, "learners"):
        learners = tuple(over_devices(own) for own in state.learners)
        return replace(jax.device_put(replace(state, learners=()), whole), learners=learners)
    if state.lanes.over.shape[0] % len(devices):
        return jax.device_put(state, whole)
    return replace(jax.device_put(state, whole), lanes=jax.device_put(state.lanes, split))
