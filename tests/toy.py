"""A small environment on the functional contract, to test what is generic over environments.

Its arithmetic is sums and products of multiples of 1/64, which float32 holds exactly, so that an oracle in NumPy can
follow it bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs.core import Environment, Info, RenderPanel
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

_EPISODE, _STEP = 1, 2


@pytree
@dataclass(frozen=True)
class ToyParams:
    """``longest_episode`` bounds the random length; the walk ends beyond ``edge``."""

    longest_episode: Array
    edge: Array


@pytree
@dataclass(frozen=True)
class ToyState:
    """Step number, the episode's length, position, and an exotic leaf or two to be carried along."""

    t: Array
    length: Array
    position: Array
    visited: Array
    """bool[3]: whether the walk has been left of, at, or right of the origin."""
    key: Array
    """A typed key that no one draws from."""


class ToyNoise(NamedTuple):
    """``length``: steps of the episode, from 2 on. ``push``: a multiple of 1/64 in [-1/2, 1/2)."""

    length: Array
    push: Array
    key: Array


class Toy(Environment[ToyParams, ToyState, ToyNoise]):
    """A walk on a line: each step adds the action and a random push.

    Observation float32[2]: step number, position. Action: float32[2] in [-1, 1], whose sum is the move, or with
    ``discrete`` an int32 in 5..7 that moves by -1, 0, 1. Reward: 1 - |position|. It terminates beyond ``edge`` and is
    truncated at the end of its length.
    """

    id = "Toy-v0"
    render_panels = (RenderPanel("position", "Position", "m"), RenderPanel("progress", "Progress", "share of length"))

    def __init__(self, discrete: bool = False, longest_episode: int = 6, edge: float = 2.0) -> None:
        self.discrete = discrete
        self._params = ToyParams(jnp.int32(longest_episode), jnp.float32(edge))

    @property
    def default_params(self) -> ToyParams:
        return self._params

    def observation_space(self, params: ToyParams) -> gymnasium.spaces.Box:
        reach = float(params.edge) + 3
        high = np.array([float(params.longest_episode), reach], np.float32)
        return gymnasium.spaces.Box(np.array([0, -reach], np.float32), high)

    def action_space(self, params: ToyParams) -> gymnasium.spaces.Space[Any]:
        if self.discrete:
            return gymnasium.spaces.Discrete(3, start=5)
        return gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset_noise(self, key: Array, params: ToyParams) -> ToyNoise:
        uniform = Stream.from_key(key).site(_EPISODE).uniform()
        length = 2 + (uniform * (params.longest_episode - 1)).astype(jnp.int32)
        return ToyNoise(length, jnp.zeros(()), jax.random.fold_in(key, 0))

    def initial(self, noise: ToyNoise, params: ToyParams) -> ToyState:
        return ToyState(jnp.int32(0), noise.length, jnp.float32(0), jnp.zeros(3, bool), noise.key)

    def noise(self, key: Array, state: ToyState, params: ToyParams) -> ToyNoise:
        uniform = Stream.from_key(key).site(_STEP).step(state.t).uniform()
        return ToyNoise(state.length, jnp.floor(uniform * 64) / 64 - 0.5, state.key)

    def transition(
        self, state: ToyState, action: Array, noise: ToyNoise, params: ToyParams
    ) -> tuple[ToyState, Array, Array, Array, Info]:
        move = action.astype(jnp.float32) - 6 if self.discrete else jnp.sum(jnp.clip(action, -1, 1))
        position = state.position + move + noise.push
        side = jnp.sign(position).astype(jnp.int32) + 1
        after = ToyState(state.t + 1, state.length, position, state.visited.at[side].set(True), state.key)
        info = {
            "position": position,
            "progress": after.t / state.length,
            "step": after.t,
            "moved_right": move > 0,
            "visited": after.visited,
        }
        terminated = jnp.abs(position) > params.edge
        return after, 1 - jnp.abs(position), terminated, after.t >= state.length, info

    def observe(self, state: ToyState, params: ToyParams) -> Array:
        return jnp.stack([state.t.astype(jnp.float32), state.position])
