"""A market of one number and a learner that climbs to it: cheap enough to train to the end in every test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from agents.learner_settings import LearnerSettings
from rtb_envs.core import Environment, Lanes, autoreset_batch, reset_where, start_batch
from rtb_envs.pytrees import pytree
from rtb_envs.random import TRAIN, Stream, lane_keys
from training.curriculum import Curriculum, Stage

HORIZON = 3
TARGETS = (0.5, 0.8)


@pytree
@dataclass(frozen=True)
class GuessingParams:
    """``target``: the action that is worth most, 1 a step."""

    target: Array
    horizon: Array


@pytree
@dataclass(frozen=True)
class GuessingState:
    t: Array
    target: Array
    """The target when the episode began."""


@pytree
@dataclass(frozen=True)
class Best:
    optimum: Array
    ceiling: Array


class Guessing(Environment[GuessingParams, GuessingState, Array]):
    """Reward 1 - (action - target)**2 - a random cost of at most 1/10; an episode has ``horizon`` steps."""

    id = "Guessing-v0"

    @property
    def default_params(self) -> GuessingParams:
        return guessing_params(TARGETS[-1])

    def observation_space(self, params: GuessingParams) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(0, HORIZON, (1,), np.float32)

    def action_space(self, params: GuessingParams) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-2, 2, (1,), np.float32)

    def reset_noise(self, key: Array, params: GuessingParams) -> Array:
        return jnp.zeros(())

    def initial(self, noise: Array, params: GuessingParams) -> GuessingState:
        return GuessingState(jnp.int32(0), params.target)

    def noise(self, key: Array, state: GuessingState, params: GuessingParams) -> Array:
        return Stream.from_key(key).step(state.t).uniform() / 10

    def transition(self, state: GuessingState, action: Array, noise: Array, params: GuessingParams) -> Any:
        after = replace(state, t=state.t + 1)
        reward = 1 - (action[0] - params.target) ** 2 - noise
        return after, reward, after.t >= params.horizon, jnp.zeros((), bool), {"cost": noise}

    def observe(self, state: GuessingState, params: GuessingParams) -> Array:
        return state.t.astype(float)[None]

    def hindsight(self, key: Array, params: GuessingParams) -> Best:
        """What guessing the target brings; the optimum stands a tenth above it, to be told apart."""
        noise = jax.vmap(lambda t: Stream.from_key(key).step(t).uniform() / 10)(jnp.arange(HORIZON))
        return Best(1.1 * jnp.sum(1 - noise), jnp.sum(1 - noise))


def guessing_params(target: float) -> GuessingParams:
    """The market around a target."""
    return GuessingParams(jnp.float32(target), jnp.int32(HORIZON))


@pytree
@dataclass(frozen=True)
class Guess:
    """The same action in every step."""

    action: Array

    def init(self, params: Any) -> tuple[()]:
        return ()

    def act(self, stream: Stream, carry: tuple[()], observation: Array) -> tuple[Array, tuple[()]]:
        return self.action[None], carry


@pytree
@dataclass(frozen=True)
class ClimberState:
    """``weights``: the guess, first, among numbers that make the state large enough to be cut in half by a kill."""

    weights: Array
    lanes: Lanes[GuessingState]
    key: Array
    updates: Array


class Climber:
    """Evolution strategies (Rechenberg 1973) in one dimension: the guess moves towards what was rewarded."""

    steps_per_update = 8
    settings = LearnerSettings(num_envs=steps_per_update, num_steps=1)

    def __init__(self, env: Guessing, rate: float = 0.3) -> None:
        self._env, self._rate = env, rate

    def init(self, seed: int, params: GuessingParams) -> ClimberState:
        key = jax.random.key(seed)
        lanes = start_batch(self._env, lane_keys(seed, TRAIN, self.steps_per_update), params)
        return ClimberState(jax.random.normal(key, (2048,)) / 1000, lanes, key, jnp.int32(0))

    def restart(self, state: ClimberState, params: GuessingParams) -> ClimberState:
        everywhere = jnp.ones_like(state.lanes.over)
        return replace(state, lanes=reset_where(self._env, everywhere, state.lanes, params))

    def update(self, state: ClimberState, params: GuessingParams) -> tuple[ClimberState, dict[str, Array]]:
        key = jax.random.fold_in(state.key, state.updates)
        noise = jax.random.normal(key, (self.steps_per_update,)) / 4
        action = (state.weights[0] + noise)[:, None]
        lanes, outcome = autoreset_batch(self._env, state.lanes, action, params)
        slope = jnp.mean((outcome.reward - jnp.mean(outcome.reward)) * noise) / jnp.var(noise)
        weights = jnp.sin(state.weights * 1.001).at[0].set(state.weights[0] + self._rate * slope)
        metrics = {"mean_reward": jnp.mean(outcome.reward), "guess": weights[0], "began": jnp.mean(lanes.state.target)}
        return ClimberState(weights, lanes, state.key, state.updates + 1), metrics

    def policy(self, state: ClimberState) -> Guess:
        return Guess(state.weights[0])


def guessing_curriculum(iterations: int, first: int, threshold: float | None = None) -> Curriculum:
    """Two stages, of which the first has at most ``first`` iterations."""
    stages = (
        Stage(1, guessing_params(TARGETS[0]), first, threshold),
        Stage(2, guessing_params(TARGETS[1]), iterations),
    )
    return Curriculum(Guessing(), stages, iterations)
