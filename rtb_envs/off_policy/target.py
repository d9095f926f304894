"""A target policy followed along logged episodes: how likely it makes the logged actions, and what else it might do."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from jax import Array, lax

from rtb_envs import compile, validation
from rtb_envs.logs.episode_log import EpisodeLog
from rtb_envs.policies.stochastic import StochasticPolicy
from rtb_envs.random import Stream

NUM_DRAWS = 16
"""Actions drawn in each step where they are too many to be listed."""


class Alternatives(NamedTuple):
    """What the target policy makes of each logged step."""

    log_propensity: npt.NDArray[np.float32]
    """The target's, of the logged action [episodes, steps]; 0 after an episode's end."""
    action: npt.NDArray[Any]
    """What the target might do [episodes, steps, alternatives, ...]: all discrete actions, or draws from it."""
    probability: npt.NDArray[np.float32]
    """The probability of each [episodes, steps, alternatives]; equal shares of draws."""


def follow(log: EpisodeLog, policy: StochasticPolicy, params: Any, seed: int = 0) -> Alternatives:
    """Follow ``policy`` through the observations of ``log``, in the market ``params``; it remembers what it would have.

    Raises TypeError for a policy that knows no propensities.
    """
    if isinstance(policy, type) or not isinstance(policy, StochasticPolicy):
        raise validation.wrong_type("policy", "a stochastic policy, with log_propensity", policy)
    space = log.action_space
    listed = None
    if isinstance(space, spaces.Discrete):
        listed = jnp.arange(space.start, space.start + space.n, dtype=jnp.int32)
    keys = jax.random.split(jax.random.key(seed), log.num_episodes)
    arrays = [log.by_episode(values) for values in (log.observation, log.action)]
    log_propensity, action, probability = jax.device_get(_compiled()(policy, params, keys, *arrays, listed))
    in_progress = np.arange(log_propensity.shape[1]) < log.lengths[:, None]
    return Alternatives(np.where(in_progress, log_propensity, np.float32(0)), action, probability)


@functools.cache
def _compiled() -> Any:
    return compile.jit(jax.vmap(_follow_episode, (None, None, 0, 0, 0, None)))


def _follow_episode(
    policy: StochasticPolicy, params: Any, key: Array, observation: Array, action: Array, listed: Array | None
) -> tuple[Array, Array, Array]:
    """The fields of ``Alternatives`` of one episode; arrays lead with its steps."""
    stream = Stream.from_key(key)

    def step(carry: Any, logged: tuple[Array, Array, Array]) -> tuple[Any, tuple[Array, Array, Array]]:
        t, seen, taken = logged
        if listed is None:
            draws = [policy.act(stream.step(t).site(draw), carry, seen)[0] for draw in range(NUM_DRAWS)]
            actions, probability = jnp.stack(draws), jnp.full(NUM_DRAWS, 1 / NUM_DRAWS, jnp.float32)
        else:
            actions = listed
            probability = jnp.exp(jax.vmap(lambda one: policy.log_propensity(carry, seen, one))(listed))
        _, after = policy.act(stream.step(t), carry, seen)
        return after, (policy.log_propensity(carry, seen, taken), actions, probability)

    steps = jnp.arange(observation.shape[0])
    followed: tuple[Array, Array, Array] = lax.scan(step, policy.init(params), (steps, observation, action))[1]
    return followed
