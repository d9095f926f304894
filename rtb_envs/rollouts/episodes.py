"""Logs whole episodes of a policy: every observation, action, propensity, reward and info."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jax import Array

from rtb_envs.core import Environment
from rtb_envs.logs.episode_log import EpisodeLog
from rtb_envs.policies.policy import Policy
from rtb_envs.policies.stochastic import StochasticPolicy
from rtb_envs.rollouts.lanes import resolve
from rtb_envs.rollouts.traced import Chunk, Moment, trace


def log_episodes(
    env: str | Environment[Any, Any, Any],
    policy: Policy,
    num_episodes: int,
    seed: int,
    params: Any = None,
    *,
    max_steps: int | None = None,
) -> EpisodeLog:
    """Run ``num_episodes`` episodes of ``policy`` and keep all that happened.

    ``env`` is an id or a functional core. Propensities are logged of a ``StochasticPolicy``, such as a rule with
    exploration; another policy's log has none. Episode i is the first one of lane i of ``rollout`` with the same seed:
    the same market for every policy. An episode that is not over after ``max_steps`` steps (by default the horizon of
    ``params``) is truncated there. It runs in chunks, so that the device holds little of it; ``episode_chunks`` spares
    the host as well.

    Raises TypeError or ValueError for ``num_episodes`` outside [1, 2**24], ``seed`` outside [0, 2**32 - 1],
    ``max_steps`` outside [1, 100000] or left out where the market has no horizon, an unknown id, a policy without
    ``init`` and ``act`` or one whose action does not fit.
    """
    return EpisodeLog.concatenate(list(episode_chunks(env, policy, num_episodes, seed, params, max_steps=max_steps)))


def episode_chunks(
    env: str | Environment[Any, Any, Any],
    policy: Policy,
    num_episodes: int,
    seed: int,
    params: Any = None,
    *,
    max_steps: int | None = None,
) -> Iterator[EpisodeLog]:
    """What ``log_episodes`` gives, in parts of consecutive episodes that take some 64 MB each."""
    env = resolve(env)
    chunks = trace(env, policy, _transition, num_episodes, seed, params, max_steps)
    own_params = params is None
    return (_log(env, env.default_params if own_params else params, own_params, seed, chunk) for chunk in chunks)


def _transition(env: Environment[Any, Any, Any], policy: Policy, params: Any, moment: Moment) -> dict[str, Any]:
    """The record of one step."""
    outcome = moment.outcome
    known: dict[str, Array] = {}
    if isinstance(policy, StochasticPolicy):
        known["log_propensity"] = policy.log_propensity(moment.carry, moment.observation, moment.action)
    return {
        "observation": moment.observation,
        "action": moment.action,
        **known,
        "reward": outcome.reward,
        "terminated": outcome.terminated,
        "truncated": outcome.truncated,
        "next_observation": outcome.final_observation,
        "info": outcome.info,
    }


def _log(env: Environment[Any, Any, Any], params: Any, own_params: bool, seed: int, chunk: Chunk) -> EpisodeLog:
    """A chunk as a log: only the steps that took place, one after another."""
    mask = chunk.in_progress
    lengths = mask.sum(axis=1)
    last = np.cumsum(lengths) - 1
    steps = {name: value[mask] for name, value in chunk.steps.items() if name != "info"}
    unfinished = ~(steps["terminated"][last] | steps["truncated"][last])
    steps["truncated"][last] |= unfinished
    return EpisodeLog(
        env_id=env.id,
        options=env.options if own_params else None,
        observation_space=env.observation_space(params),
        action_space=env.action_space(params),
        seed=seed,
        lengths=lengths.astype(np.int64),
        observation=steps["observation"],
        final_observation=steps["next_observation"][last],
        action=steps["action"],
        log_propensity=steps.get("log_propensity"),
        reward=steps["reward"],
        terminated=steps["terminated"],
        truncated=steps["truncated"],
        info={name: value[mask] for name, value in chunk.steps["info"].items()},
    )
