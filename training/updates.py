"""Updates of a learner in compiled chunks, with the environments' lanes spread over devices."""

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


def lane_devices(*lanes: int) -> list[jax.Device]:
    """The devices that each of these numbers of lanes is split over: as many as divide all of them."""
    devices = jax.devices()
    counts = range(1, len(devices) + 1)
    return devices[: max(count for count in counts if all(number % count == 0 for number in lanes))]


def over_devices(state: Any) -> Any:
    """``state`` with its lanes split evenly over ``lane_devices``, and the rest on every one of these.

    Of a team, each learner's.
    """
    learners = getattr(state, "learners", (state,))
    devices = lane_devices(*(own.lanes.over.shape[0] for own in learners))
    if len(devices) == 1:
        return state
    mesh = Mesh(np.array(devices), ("lanes",))
    split, whole = NamedSharding(mesh, PartitionSpec("lanes")), NamedSharding(mesh, PartitionSpec())
    spread = [replace(jax.device_put(own, whole), lanes=jax.device_put(own.lanes, split)) for own in learners]
    if not hasattr(state, "learners"):
        return spread[0]
    return replace(jax.device_put(replace(state, learners=()), whole), learners=tuple(spread))
