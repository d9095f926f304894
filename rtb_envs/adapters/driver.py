"""Lanes of a functional core behind an interface that keeps state: keys, episodes, auto-reset and packing.

Lane i of a driver started with the seeds s_0, s_1, ... is key(s_i), its episode e is fold_in(key(s_i), e), whatever
the other lanes do; so a lane of a batch and a single environment with the same seed see the same episodes.
"""

from __future__ import annotations

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from rtb_envs.adapters.programs import Output, Step, programs
from rtb_envs.adapters.time_limit import TimeLimited
from rtb_envs.core import AutoReset, FunctionalCore

MAX_SEED = 2**32 - 1
"""JAX keeps 32 bits of a seed."""


class Driver:
    """``num_lanes`` copies of ``core``, stepped by compiled code; None is one copy without a lane axis."""

    def __init__(
        self,
        core: FunctionalCore[Any, Any, Any],
        params: Any,
        num_lanes: int | None,
        mode: AutoReset = "disabled",
        output: Output = "numpy",
        max_episode_steps: int | None = None,
    ) -> None:
        self._core = core if max_episode_steps is None else TimeLimited(core, max_episode_steps)
        self._params = jax.tree.map(jnp.asarray, params)
        self._num_lanes = num_lanes
        self._mode = mode
        self._output = output
        self._carry: Any = None
        self._bind()

    def _bind(self) -> None:
        leaves, structure = jax.tree.flatten(self._params)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        self._programs = programs(self._core, structure, shapes, self._num_lanes, self._mode, self._output)
        self._arguments = self._programs.arguments(self._params)
        lanes = self._num_lanes or 1
        self._continue = (jnp.ones(lanes, bool), jnp.zeros(lanes, jnp.uint32), jnp.zeros(lanes, bool))

    def __getstate__(self) -> dict[str, Any]:
        rebuilt = ("_programs", "_arguments", "_continue")
        return {name: value for name, value in self.__dict__.items() if name not in rebuilt}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._bind()

    def __deepcopy__(self, memo: dict[int, Any]) -> Driver:
        twin = copy.copy(self)
        # Stepping donates the carry's memory, so the two must not share it.
        twin._carry = jax.tree.map(jnp.copy, self._carry)
        return twin

    @property
    def started(self) -> bool:
        """Whether ``start`` has been called."""
        return self._carry is not None

    def start(self, seeds: npt.NDArray[np.uint32]) -> Any:
        """Begin episode 0 of the seeds [lanes]; the first observation."""
        self._carry, observation = self._programs.start(seeds, self._arguments)
        return self._given(observation)

    def restart(
        self,
        mask: npt.NDArray[np.bool_] | None = None,
        seeds: npt.NDArray[np.uint32] | None = None,
        seeded: npt.NDArray[np.bool_] | None = None,
    ) -> Any:
        """Begin the next episode where ``mask`` (everywhere), or episode 0 of ``seeds`` where ``seeded`` as well.

        Returns the observation of every lane, those left alone included.
        """
        everyone, no_seeds, nobody = self._continue
        orders = (
            everyone if mask is None else mask,
            no_seeds if seeds is None else seeds,
            nobody if seeded is None else seeded,
        )
        self._carry, observation = self._programs.restart(self._carry, *orders, self._arguments)
        return self._given(observation)

    def step(self, action: Any) -> Step:
        """Step every lane as the auto-reset mode says; ``action`` must have been checked."""
        self._carry, outputs = self._programs.step(self._carry, action, self._arguments)
        if self._output == "jax":
            return Step(*outputs)
        programs = self._programs
        observation, reward, terminated, truncated, over, *rest = programs.outputs_packing.on_host(np.array(outputs))
        info = dict(zip(programs.info_names, rest, strict=False))
        final_observation = rest[-1] if self._mode == "same_step" else None
        # Observations are what callers keep: a copy does not keep the whole buffer alive.
        return Step(np.array(observation), reward, terminated, truncated, over, info, final_observation)

    def _given(self, observation: Array) -> Any:
        return observation if self._output == "jax" else np.array(observation)
