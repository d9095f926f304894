"""Episodes run step by step in compiled chunks of lanes, with what happened in every step handed back to the host."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rtb_envs import compile, core, validation
from rtb_envs.core import Environment, Outcome
from rtb_envs.policies.policy import Policy
from rtb_envs.random import EVALUATE, Stream, lane_keys
from rtb_envs.rollouts.chunk import POLICY_SITE
from rtb_envs.rollouts.lanes import MAX_LANES, prepared, resolve

CHUNK_BYTES = 2**26
"""What the record of one chunk may take, unless a single episode takes more."""
MAX_CHUNK_EPISODES = 2048
MAX_EPISODE_STEPS = 100_000


class Moment(NamedTuple):
    """One step of one lane, as a recorder sees it."""

    key: Array
    """The episode's."""
    state: Any
    """Before the step."""
    observation: Array
    """Before the step."""
    carry: Any
    """The policy's, before the step."""
    action: Array
    outcome: Outcome


Recorder = Callable[[Environment[Any, Any, Any], Policy, Any, Moment], dict[str, Any]]
"""What to keep of a step: a function of (env, policy, params, moment), a dictionary of arrays. It is hashed, so that
the same recorder finds the program compiled for it."""


class Chunk(NamedTuple):
    """The record of some consecutive episodes, on the host."""

    first_episode: int
    in_progress: np.ndarray[Any, np.dtype[np.bool_]]
    """Whether each step took place, [episodes, steps]: True up to an episode's last step, False after it."""
    steps: dict[str, Any]
    """What the recorder kept, every array [episodes, steps, ...]; without meaning where a step did not take place."""


def trace(
    env: str | Environment[Any, Any, Any],
    policy: Policy,
    recorder: Recorder,
    num_episodes: int,
    seed: int,
    params: Any = None,
    max_steps: int | None = None,
) -> Iterator[Chunk]:
    """Run ``policy`` in episodes 0 .. num_episodes - 1 and yield them in chunks.

    Episode i is the first one of lane i of ``rollout`` with the same seed: the same market, and for the same policy
    the same actions. Raises what ``log_episodes`` raises, here and not when first iterated.
    """
    num_episodes = validation.integer("num_episodes", num_episodes, 1, MAX_LANES)
    seed = validation.integer("seed", seed, 0, 2**32 - 1)
    env = resolve(env)
    policy, params = prepared(env, policy, params, num_episodes)
    max_steps = _episode_steps(params, max_steps)
    return _chunks(env, policy, recorder, num_episodes, seed, params, max_steps)


def _episode_steps(params: Any, max_steps: int | None) -> int:
    """How many steps to run: what was asked for, or the horizon of the market."""
    if max_steps is not None:
        return validation.integer("max_steps", max_steps, 1, MAX_EPISODE_STEPS)
    if not hasattr(params, "horizon"):
        raise validation.wrong_type("max_steps", "an integer where params tell no horizon", max_steps)
    return int(params.horizon)


def _chunks(
    env: Environment[Any, Any, Any],
    policy: Policy,
    recorder: Recorder,
    num_episodes: int,
    seed: int,
    params: Any,
    max_steps: int,
) -> Iterator[Chunk]:
    leaves, structure = jax.tree.flatten((policy, params))
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
    most = min(num_episodes, MAX_CHUNK_EPISODES)
    lanes, program = _compiled(env, recorder, structure, shapes, most, CHUNK_BYTES, max_steps)
    for first in range(0, num_episodes, lanes):
        # The last chunk runs full as well, and what is too much is thrown away: one program serves all.
        count = min(lanes, num_episodes - first)
        result = jax.device_get(program(policy, lane_keys(seed, EVALUATE, lanes, first), params))
        in_progress, steps = jax.tree.map(lambda leaf, count=count: np.swapaxes(leaf, 0, 1)[:count], result)
        yield Chunk(first, in_progress, steps)


@functools.lru_cache(maxsize=64)
def _compiled(
    env: Environment[Any, Any, Any],
    recorder: Recorder,
    structure: Any,
    shapes: Any,
    lanes: int,
    chunk_bytes: int,
    max_steps: int,
) -> tuple[int, Any]:
    """How many lanes have a record of at most ``chunk_bytes``, at most ``lanes``, and the program for a chunk of them.

    It takes (policy, lane keys, params) of the given shapes.
    """
    policy, params = jax.tree.unflatten(structure, shapes)
    keys = jax.eval_shape(lambda: lane_keys(0, EVALUATE, lanes))
    traced = compile.jit(_program(env, recorder, max_steps)).trace(policy, keys, params)
    _, steps = traced.out_info
    lane_bytes = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(steps)) // lanes
    fitting = max(1, chunk_bytes // lane_bytes)
    if fitting < lanes:
        return _compiled(env, recorder, structure, shapes, fitting, chunk_bytes, max_steps)
    return lanes, traced.lower().compile()


def _program(env: Environment[Any, Any, Any], recorder: Recorder, max_steps: int) -> Any:
    """Run the first episode of each lane for ``max_steps`` steps; results [steps, lanes, ...]."""

    def program(policy: Policy, keys: Array, params: Any) -> Any:
        stream = Stream.from_key(keys).site(POLICY_SITE)

        def record(moment: Moment) -> dict[str, Any]:
            return recorder(env, policy, params, moment)

        def step(progress: Any, t: Array) -> Any:
            lanes, carry, in_progress = progress
            action, next_carry = jax.vmap(policy.act)(stream.step(t), carry, lanes.observation)
            after, outcome = core.step_batch(env, lanes, action, params)
            moment = Moment(lanes.keys, lanes.state, lanes.observation, carry, action, outcome)
            return (after, next_carry, in_progress & ~after.over), (in_progress, jax.vmap(record)(moment))

        def begin(_: Array) -> Any:
            return policy.init(params)

        start = core.start_batch(env, keys, params), jax.vmap(begin)(keys), jnp.ones(keys.shape[0], bool)
        return lax.scan(step, start, jnp.arange(max_steps))[1]

    return program
