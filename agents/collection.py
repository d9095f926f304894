"""Acting in many lanes at once: what every learner does between its gradient steps.

A lane is one seat in one environment. An environment without an agent axis has one; one with an agent axis has as many
as agents, flattened agents last, so that a learner sees [steps, lanes] of either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float

from agents.memory import Memory
from agents.network_policy import PolicySpec
from rtb_envs.core import Environment, Lanes, autoreset_batch, reset_where, start_batch
from rtb_envs.random import TRAIN, lane_keys

LEARNER = 4
"""Purpose of a learner's own randomness, apart from the lanes of ``rtb_envs.random``."""


class Playing(NamedTuple):
    """Episodes in progress."""

    lanes: Lanes[Any]
    memory: Memory
    """Of each lane, before its present observation."""
    episode_return: Float[Array, "lanes"]
    """So far, not discounted."""


class Rollout(NamedTuple):
    """What a policy met; every array leads with [num_steps, lanes]."""

    view: Float[Array, "steps lanes 1+decays *observation"]
    """The observation and the averages of those before it."""
    latent: Array
    told: Any
    """What the policy told of its choice."""
    reward: Float[Array, "steps lanes"]
    terminated: Bool[Array, "steps lanes"]
    truncated: Bool[Array, "steps lanes"]
    final_view: Float[Array, "steps lanes 1+decays *observation"]
    """What the step led to: the view of the episode's true last observation where it ended."""


Act = Callable[[Array, Float[Array, "lanes 1+decays *observation"]], tuple[Array, Any]]
"""From a key and the views of all lanes to their latents, and whatever is to be told of the choice."""


def begin(
    env: Environment[Any, Any, Any],
    spec: PolicySpec,
    seed: int,
    num_envs: int,
    params: Any,
    params_axis: int | None,
    lanes_per_market: int = 1,
) -> Playing:
    """Episode 0 in every lane; ``lanes_per_market`` consecutive environments draw the same random numbers."""
    markets = lane_keys(seed, TRAIN, num_envs // lanes_per_market)
    lanes = start_batch(env, jnp.repeat(markets, lanes_per_market), params, params_axis)
    return _fresh(lanes, spec)


def begin_anew(
    env: Environment[Any, Any, Any], spec: PolicySpec, lanes: Lanes[Any], params: Any, params_axis: int | None
) -> Playing:
    """The next episode in every lane, as is due when the market changes under them."""
    return _fresh(reset_where(env, jnp.ones_like(lanes.over), lanes, params, params_axis), spec)


def play(
    env: Environment[Any, Any, Any],
    spec: PolicySpec,
    act: Act,
    playing: Playing,
    params: Any,
    params_axis: int | None,
    keys: Array,
) -> tuple[Playing, Rollout, dict[str, Array]]:
    """Act once for each of ``keys`` in every lane.

    Metrics: ``episodes`` that ended, and ``mean_episode_return``, over these, NaN if none did.
    """
    remember = jax.vmap(lambda memory, observation: memory.remember(observation, spec.memory_decays))
    num_lanes = playing.episode_return.shape[0]
    seats = playing.lanes.observation.shape[: -len(spec.observation_shape) or None]

    def flat(x: Array) -> Array:
        return x.reshape(num_lanes, *x.shape[len(seats) :])

    def step(carry: tuple[Any, ...], key: Array) -> tuple[tuple[Any, ...], Rollout]:
        (lanes, memory, episode_return), ended, ended_return = carry
        memory, view = remember(memory, flat(lanes.observation))
        latent, told = act(key, view)
        action = spec.actions.to_action(latent)
        action = action.reshape(*seats, *action.shape[1:])
        lanes, outcome = autoreset_batch(env, lanes, action, params, params_axis=params_axis)
        reward, terminated, truncated = flat(outcome.reward), flat(outcome.terminated), flat(outcome.truncated)
        over = terminated | truncated
        episode_return = episode_return + reward
        ended, ended_return = ended + jnp.sum(over, dtype=jnp.int32), ended_return + jnp.sum(episode_return, where=over)
        final_view = remember(memory, flat(outcome.final_observation))[1]
        seen = Rollout(view, latent, told, reward, terminated, truncated, final_view)
        memory = jax.tree.map(lambda x: jnp.where(over.reshape(-1, *(1,) * (x.ndim - 1)), 0, x), memory)
        return (Playing(lanes, memory, jnp.where(over, 0, episode_return)), ended, ended_return), seen

    start = (playing, jnp.zeros((), jnp.int32), jnp.zeros(()))
    (playing, ended, ended_return), rollout = lax.scan(step, start, keys)
    return playing, rollout, {"episodes": ended, "mean_episode_return": ended_return / ended}


def _fresh(lanes: Lanes[Any], spec: PolicySpec) -> Playing:
    """Lanes that all begin an episode."""
    seats = lanes.observation.shape[: -len(spec.observation_shape) or None]
    num_lanes = math.prod(seats)
    blank = Memory.start(spec.observation_shape, spec.memory_decays)
    memory = jax.tree.map(lambda x: jnp.zeros((num_lanes, *x.shape), x.dtype), blank)
    return Playing(lanes, memory, jnp.zeros(num_lanes))
