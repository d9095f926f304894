"""Runs a policy in lanes of an environment: one compiled program for all lanes and steps."""

from __future__ import annotations

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rtb_envs import compile, core, validation
from rtb_envs.core import Environment
from rtb_envs.policies.policy import Policy
from rtb_envs.random import EVALUATE, Stream, lane_keys
from rtb_envs.rollouts.chunk import Chunk
from rtb_envs.rollouts.result import Rollout

MAX_LANES = 2**24
MAX_STEPS = 2**31 - 1


def rollout(
    env: str | Environment[Any, Any, Any],
    policy: Policy,
    num_envs: int,
    num_steps: int,
    seed: int,
    params: Any = None,
    *,
    params_axis: int | None = None,
) -> Rollout:
    """Run ``policy`` for ``num_steps`` steps in ``num_envs`` lanes that begin a new episode when one ends.

    ``env`` is an id or a functional core; ``params`` are its parameters, or with ``params_axis=0`` one set of them for
    each lane. Lane i draws from fold_in(fold_in(key(seed), EVALUATE), i), so the same seed gives every policy the same
    markets. The program is compiled once for each environment, kind of policy and ``num_envs``.

    Raises TypeError or ValueError for ``num_envs`` outside [1, 2**24], ``num_steps`` outside [1, 2**31 - 1], ``seed``
    outside [0, 2**32 - 1], an unknown id, a policy without ``init`` and ``act`` or one whose action does not fit, and
    for ``params`` of another kind than the environment's or not of one set for each lane.
    """
    num_envs = validation.integer("num_envs", num_envs, 1, MAX_LANES)
    num_steps = validation.integer("num_steps", num_steps, 1, MAX_STEPS)
    seed = validation.integer("seed", seed, 0, 2**32 - 1)
    keys = lane_keys(seed, EVALUATE, num_envs)
    return run_lanes(resolve(env), policy, keys, num_steps, params, params_axis=params_axis)


def resolve(env: str | Environment[Any, Any, Any]) -> Environment[Any, Any, Any]:
    """The functional core that is meant by an id or by itself.

    Raises ValueError for an unknown id and TypeError for what is neither.
    """
    if isinstance(env, str):
        return _made(env)
    if not isinstance(env, Environment):
        raise validation.wrong_type("env", "an id or a functional core (rtb_envs.core.Environment)", env)
    return env


@functools.cache
def _made(id: str) -> Environment[Any, Any, Any]:
    """One environment for each id, so that a second rollout finds the first one's program."""
    return core.make(id)


def run_lanes(
    env: Environment[Any, Any, Any],
    policy: Policy,
    lane_keys: Array,
    num_steps: int,
    params: Any = None,
    *,
    policy_axis: int | None = None,
    params_axis: int | None = None,
) -> Rollout:
    """The rollout of given lanes; with ``policy_axis=0`` or ``params_axis=0`` every lane has its own policy or params.

    Raises TypeError for what is no policy or no parameters of ``env``, ValueError for a policy whose action does not
    fit, another axis than None or 0, and an axis of another length than there are lanes.
    """
    policy, params = prepared(env, policy, params, lane_keys.shape[0], policy_axis, params_axis)
    leaves, structure = jax.tree.flatten((policy, lane_keys, params))
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)

    begun = time.perf_counter()
    compiled_before = _compiled.cache_info().misses
    program = _compiled(env, structure, shapes, policy_axis, params_axis)
    compile_seconds = time.perf_counter() - begun if _compiled.cache_info().misses > compiled_before else 0.0

    begun = time.perf_counter()
    episodes, totals = jax.device_get(program(jnp.int32(num_steps), policy, lane_keys, params))
    run_seconds = time.perf_counter() - begun
    sums = {name: high.astype(np.float64) + low for name, (high, low) in totals.items()}
    return Rollout(env.id, num_steps, episodes.astype(np.int64), sums, compile_seconds, run_seconds)


def prepared(
    env: Environment[Any, Any, Any],
    policy: Policy,
    params: Any,
    num_lanes: int,
    policy_axis: int | None = None,
    params_axis: int | None = None,
) -> tuple[Policy, Any]:
    """``policy`` and ``params`` (None: the environment's own) as trees of arrays, ready for a compiled program.

    Raises what ``run_lanes`` does.
    """
    if isinstance(policy, type) or not all(callable(getattr(policy, method, None)) for method in ("init", "act")):
        allowed = "an object with the methods init and act (not its class; of a loaded policy its attribute policy)"
        raise validation.wrong_type("policy", allowed, policy)
    if params is not None and not isinstance(params, type(env.default_params)):
        raise validation.wrong_type("params", f"None or {type(env.default_params).__name__} of the environment", params)
    params = env.default_params if params is None else params
    policy, params = jax.tree.map(_array, (policy, params))
    _check_axis("policy", policy, policy_axis, num_lanes)
    _check_axis("params", params, params_axis, num_lanes)
    _check_action(env, _first(policy, policy_axis), _first(params, params_axis))
    return policy, params


def _array(leaf: Any) -> Array:
    """``leaf`` as an array whose type does not depend on whether it came as a Python number."""
    return jnp.asarray(leaf, dtype=jnp.asarray(leaf).dtype)


def _check_axis(name: str, tree: Any, axis: int | None, num_lanes: int) -> None:
    """Raise ValueError unless ``axis`` is None, or 0 and the axis of every leaf that has an entry for each lane."""
    validation.choice(f"{name}_axis", axis, (None, 0))
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if axis == 0 else ():
        if leaf.shape[:1] != (num_lanes,):
            allowed = f"must lead with the {num_lanes} lanes where {name}_axis is 0"
            raise ValueError(f"{name}{jax.tree_util.keystr(path)} {allowed}, got shape {leaf.shape}")


def _first(tree: Any, axis: int | None) -> Any:
    """The tree of the first lane."""
    return tree if axis is None else jax.tree.map(lambda leaf: leaf[0], tree)


def _check_action(env: Environment[Any, Any, Any], policy: Policy, params: Any) -> None:
    """Raise ValueError unless the policy's action has the shape and the kind of number of the action space."""
    space = env.action_space(params)

    def act(key: Array) -> Array:
        observation, _ = env.reset_env(key, params)
        return policy.act(Stream.from_key(key), policy.init(params), observation)[0]

    action = jax.eval_shape(act, jax.random.key(0))
    kind = "integers" if np.issubdtype(space.dtype, np.integer) else "floats"
    if action.shape != space.shape or (kind == "integers") != jnp.issubdtype(action.dtype, jnp.integer):
        allowed = f"one whose action is {kind} of shape {space.shape}"
        raise ValueError(f"policy must be {allowed}, got {action.dtype} of shape {action.shape}")


@functools.lru_cache(maxsize=64)
def _compiled(
    env: Environment[Any, Any, Any],
    structure: Any,
    shapes: tuple[jax.ShapeDtypeStruct, ...],
    policy_axis: int | None,
    params_axis: int | None,
) -> Any:
    """The program for a number of steps and (policy, lane keys, params) of these shapes."""

    def program(num_steps: Array, policy: Policy, lane_keys: Array, params: Any) -> Any:
        num_lanes = lane_keys.shape[0]
        num_chunks = -(-num_lanes // env.lanes_at_once)
        chunk_lanes = -(-num_lanes // num_chunks)
        # The last chunk is filled up by repeating the last lane, to be thrown away.
        lane = jnp.minimum(jnp.arange(num_chunks * chunk_lanes), num_lanes - 1).reshape(num_chunks, chunk_lanes)

        def run_chunk(lane: Array) -> Any:
            def own(tree: Any, axis: int | None) -> Any:
                return tree if axis is None else jax.tree.map(lambda leaf: leaf[lane], tree)

            chunk = Chunk(env, own(policy, policy_axis), policy_axis, own(params, params_axis), params_axis)
            return chunk.run(lane_keys[lane], num_steps)

        results = lax.map(run_chunk, lane)
        return jax.tree.map(lambda leaf: leaf.reshape(-1)[:num_lanes], results)

    arguments = jax.tree.unflatten(structure, shapes)
    return compile.jit(program).lower(jax.ShapeDtypeStruct((), jnp.int32), *arguments).compile()
