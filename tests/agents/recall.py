"""A task small enough to know its best policy: what is shown at first decides, and is paid for at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs.core import Environment, Info
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


@pytree
@dataclass(frozen=True)
class RecallState:
    """Step number, the target that is shown at step 0 only, and how well the first action met it."""

    t: Array
    target: Array
    payoff: Array


class Recall(Environment[Array, RecallState, Stream]):
    """Two steps. The first action should meet the target; the reward comes after the second, which does nothing.

    Observation float32[2]: step number, then the target at step 0 and 0 at step 1. Discrete: target 0, 1 or 2, payoff
    1 if action - 3 is the target, else 0. Continuous: target -0.5 or 0.5, action in [0.1, 10], payoff
    1 - (log10(action) - target)**2. The best return is 1 in both; the parameter is added to every payoff.
    """

    id = "Recall-v0"

    def __init__(self, discrete: bool) -> None:
        self.discrete = discrete

    @property
    def default_params(self) -> Array:
        return jnp.zeros(())

    @property
    def action_scale(self) -> Literal["linear", "log"]:
        return "log"

    def observation_space(self, params: Array) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1, 2, (2,), np.float32)

    def action_space(self, params: Array) -> gymnasium.spaces.Space[Any]:
        return gymnasium.spaces.Discrete(3, start=3) if self.discrete else gymnasium.spaces.Box(0.1, 10, (1,))

    def reset_noise(self, key: Array, params: Array) -> Stream:
        return Stream.from_key(key)

    def initial(self, noise: Stream, params: Array) -> RecallState:
        uniform = noise.uniform()
        target = jnp.floor(3 * uniform) if self.discrete else jnp.where(uniform < 0.5, -0.5, 0.5)
        return RecallState(jnp.int32(0), target, jnp.zeros(()))

    def noise(self, key: Array, state: RecallState, params: Array) -> Stream:
        return Stream.from_key(key)

    def transition(
        self, state: RecallState, action: Array, noise: Stream, params: Array
    ) -> tuple[RecallState, Array, Array, Array, Info]:
        if self.discrete:
            met = (action - 3 == state.target).astype(float)
        else:
            met = 1 - (jnp.log10(action[0]) - state.target) ** 2
        payoff = jnp.where(state.t == 0, met, state.payoff)
        after = RecallState(state.t + 1, state.target, payoff)
        terminated = after.t == 2
        return after, jnp.where(terminated, payoff + params, 0), terminated, jnp.zeros((), bool), {}

    def observe(self, state: RecallState, params: Array) -> Array:
        return jnp.stack([state.t.astype(float), jnp.where(state.t == 0, state.target, 0)])


class Stipend(Environment[Array, Array, None]):
    """One step an episode, reward 1, cut off (``truncated``) or over (``terminated``); nothing to see or to decide."""

    id = "Stipend-v0"

    def __init__(self, truncated: bool) -> None:
        self.truncated = truncated

    @property
    def default_params(self) -> Array:
        return jnp.zeros(())

    def observation_space(self, params: Array) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(0, 1, (1,), np.float32)

    def action_space(self, params: Array) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(2)

    def reset_noise(self, key: Array, params: Array) -> None:
        return None

    def initial(self, noise: None, params: Array) -> Array:
        return jnp.zeros((), float)

    def noise(self, key: Array, state: Array, params: Array) -> None:
        return None

    def transition(
        self, state: Array, action: Array, noise: None, params: Array
    ) -> tuple[Array, Array, Array, Array, Info]:
        cut_off = jnp.asarray(self.truncated)
        return state, jnp.ones((), float), ~cut_off, cut_off, {}

    def observe(self, state: Array, params: Array) -> Array:
        return state[None]
