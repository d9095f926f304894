"""A limit on the number of steps of an episode, for any functional core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from rtb_envs.core import FunctionalCore, Info
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class LimitedState:
    """The core's own state and the steps since the episode began."""

    inner: Any
    elapsed_steps: Array


class TimeLimited(FunctionalCore[Any, LimitedState, Any]):
    """``core`` with episodes truncated after ``max_episode_steps``; everything else as ``core`` has it."""

    def __init__(self, core: FunctionalCore[Any, Any, Any], max_episode_steps: int) -> None:
        self._core = core
        self._max_episode_steps = max_episode_steps
        self.id = core.id
        self.render_panels = core.render_panels

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TimeLimited):
            return NotImplemented
        return (self._core, self._max_episode_steps) == (other._core, other._max_episode_steps)

    def __hash__(self) -> int:
        return hash((self._core, self._max_episode_steps))

    @property
    def default_params(self) -> Any:
        return self._core.default_params

    def over(self, terminated: Array, truncated: Array) -> Array:
        return self._core.over(terminated, truncated)

    def reset_noise(self, key: Array, params: Any) -> Any:
        return self._core.reset_noise(key, params)

    def initial(self, noise: Any, params: Any) -> LimitedState:
        return LimitedState(self._core.initial(noise, params), jnp.zeros((), jnp.int32))

    def noise(self, key: Array, state: LimitedState, params: Any) -> Any:
        return self._core.noise(key, state.inner, params)

    def transition(
        self, state: LimitedState, action: Array, noise: Any, params: Any
    ) -> tuple[LimitedState, Array, Array, Array, Info]:
        inner, reward, terminated, truncated, info = self._core.transition(state.inner, action, noise, params)
        elapsed_steps = state.elapsed_steps + 1
        truncated = truncated | (elapsed_steps >= self._max_episode_steps)
        return LimitedState(inner, elapsed_steps), reward, terminated, truncated, info

    def observe(self, state: LimitedState, params: Any) -> Array:
        return self._core.observe(state.inner, params)
