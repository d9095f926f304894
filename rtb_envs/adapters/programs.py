"""The compiled programs behind an interface that keeps state: begin, begin again, step.

What crosses between Python and compiled code is packed: the lanes between two steps, the parameters, and what a step
returns.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtb_envs import compile
from rtb_envs.adapters.one_kernel import OneKernel
from rtb_envs.adapters.packing import Packing
from rtb_envs.core import AutoReset, FunctionalCore, Lanes, autoreset_batch, reset_where, start_batch

Output = Literal["numpy", "jax"]
PACKED_CARRY_WORDS = 2**18
"""Carries up to this size travel as one buffer; beyond it (1 MiB), copying would cost more than it saves."""
PACKED_PARAMETER_WORDS = 128
"""Parameters up to this size each travel as one buffer, likewise."""


class Step(NamedTuple):
    """What a step returned. NumPy output: Python scalars or fresh writable arrays; JAX output: JAX arrays.

    With a lane axis every array leads with it. ``over`` says that the episode has ended; ``final_observation`` is there
    in ``same_step`` only, where ``observation`` may be the next episode's first.
    """

    observation: Any
    reward: Any
    terminated: Any
    truncated: Any
    over: Any
    info: dict[str, Any]
    final_observation: Any


class Programs:
    """The compiled functions of drivers with one structure of parameters, and how their packed outputs are read.

    Parameters are arguments, so that markets which differ in numbers only share the programs; ``params_like`` has
    their structure, shapes and dtypes.
    """

    def __init__(
        self,
        core: FunctionalCore[Any, Any, Any],
        params_like: Any,
        num_lanes: int | None,
        mode: AutoReset,
        output: Output,
    ) -> None:
        self._core, self._num_lanes, self._mode, self._output = core, num_lanes, mode, output
        leaves, self._params_structure = jax.tree.flatten(params_like)
        self._is_small = [_is_small(leaf) for leaf in leaves]
        self._params_packing = Packing([leaf for leaf, small in zip(leaves, self._is_small, strict=True) if small])
        self._carry_packing = self._layout_of_carry(params_like)
        self.start = compile.jit(self._start)
        # A carry's memory is reused, because large ones should not be there twice.
        one_lane_on_cpu = num_lanes is None and jax.default_backend() == "cpu"
        jit = OneKernel if one_lane_on_cpu else functools.partial(compile.jit, donate_argnums=0)
        self.restart: Callable[..., tuple[Any, Array]] = jit(self._restart)
        self.step: Callable[..., tuple[Any, Any]] = jit(self._step)
        # Known once a step has been traced, which is before the first outputs are read.
        self.outputs_packing: Packing
        self.info_names: tuple[str, ...]

    def arguments(self, params: Any) -> tuple[Array, list[Array]]:
        """``params`` as the programs take them: small leaves in one buffer, the others as they are."""
        leaves = list(zip(jax.tree.leaves(params), self._is_small, strict=True))
        words = self._params_packing.pack_on_host([leaf for leaf, small in leaves if small])
        return jnp.asarray(words), [leaf for leaf, small in leaves if not small]

    def _params(self, arguments: tuple[Array, list[Array]]) -> Any:
        small, large = iter(self._params_packing.unpack(arguments[0])), iter(arguments[1])
        return jax.tree.unflatten(self._params_structure, [next(small if each else large) for each in self._is_small])

    def _layout_of_carry(self, params_like: Any) -> Packing | None:
        """How lanes are packed between steps; None where they are too large for it."""
        found: list[Packing] = []
        seeds = jax.ShapeDtypeStruct((self._num_lanes or 1,), jnp.uint32)
        jax.eval_shape(lambda seeds, params: found.append(Packing(self._begin(seeds, params))), seeds, params_like)
        return found[0] if found[0].num_words <= PACKED_CARRY_WORDS else None

    def _begin(self, seeds: Array, params: Any) -> Lanes[Any]:
        return start_batch(self._core, _lane_keys(seeds), params)

    def _start(self, seeds: Array, arguments: Any) -> tuple[Any, Array]:
        return self._returned(self._begin(seeds, self._params(arguments)))

    def _restart(self, carry: Any, mask: Array, seeds: Array, seeded: Array, arguments: Any) -> tuple[Any, Array]:
        lanes = self._lanes(carry)
        lane_keys = jnp.where(seeded, _lane_keys(seeds), lanes.lane_keys)
        # reset_where goes on to the next episode, which is 0 after -1.
        lanes = replace(lanes, lane_keys=lane_keys, episode=jnp.where(seeded, -1, lanes.episode))
        return self._returned(reset_where(self._core, mask, lanes, self._params(arguments)))

    def _step(self, carry: Any, action: Array, arguments: Any) -> tuple[Any, Any]:
        lanes, outcome = autoreset_batch(
            self._core,
            self._lanes(carry),
            action if self._num_lanes else action[None],
            self._params(arguments),
            self._mode,
        )
        outputs = Step(
            _shown(lanes.observation),
            outcome.reward,
            outcome.terminated,
            outcome.truncated,
            self._core.over(outcome.terminated, outcome.truncated),
            outcome.info,
            _shown(outcome.final_observation) if self._mode == "same_step" else None,
        )
        if self._num_lanes is None:
            outputs = jax.tree.map(lambda leaf: leaf[0], outputs)
        if self._output == "jax":
            return self._carry(lanes), outputs
        self.outputs_packing = Packing(outputs)
        self.info_names = tuple(sorted(outputs.info))
        return self._carry(lanes), self.outputs_packing.pack(outputs)

    def _returned(self, lanes: Lanes[Any]) -> tuple[Any, Array]:
        observation = _shown(lanes.observation)
        return self._carry(lanes), observation if self._num_lanes else observation[0]

    def _carry(self, lanes: Lanes[Any]) -> Any:
        return lanes if self._carry_packing is None else self._carry_packing.pack(lanes)

    def _lanes(self, carry: Any) -> Lanes[Any]:
        lanes: Lanes[Any] = carry if self._carry_packing is None else self._carry_packing.unpack(carry)
        return lanes


def _shown(observation: Array) -> Array:
    """Floats as float32, which the observation spaces of the contract are, also where JAX computes in 64 bits."""
    return observation.astype(jnp.float32) if observation.dtype == jnp.float64 else observation


def _is_small(leaf: Any) -> bool:
    # The generator of typed keys is not to be seen in their shape and dtype, so they travel by themselves.
    return leaf.size <= PACKED_PARAMETER_WORDS and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _lane_keys(seeds: Array) -> Array:
    return jax.vmap(jax.random.key)(seeds)


@functools.lru_cache(maxsize=64)
def programs(
    core: FunctionalCore[Any, Any, Any],
    structure: Any,
    shapes: tuple[tuple[tuple[int, ...], Any], ...],
    num_lanes: int | None,
    mode: AutoReset,
    output: Output,
) -> Programs:
    params = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*shape) for shape in shapes])
    return Programs(core, params, num_lanes, mode, output)
