"""Lanes that run together for all their steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from rtb_envs import core
from rtb_envs.core import Environment, Lanes
from rtb_envs.policies.policy import Policy
from rtb_envs.random import Stream

POLICY_SITE = 1
"""A lane's policy draws from Stream.from_key(lane key).site(POLICY_SITE).step(steps since the rollout began)."""


class _Progress(NamedTuple):
    """What a chunk carries from step to step; every array leads with the lane axis."""

    lanes: Lanes[Any]
    memory: Any
    """The policy's carry."""
    running: dict[str, Array]
    """Return and length of the episode in progress."""
    episodes: Array
    totals: dict[str, tuple[Array, Array]]
    """Sums over finished episodes as pairs of float32: a rounded sum, and the sum of its roundings."""


@dataclass(frozen=True)
class Chunk:
    """Lanes that run together: one environment, one policy and parameters, or one of these for each lane."""

    env: Environment[Any, Any, Any]
    policy: Policy
    policy_axis: int | None
    params: Any
    params_axis: int | None

    def run(self, lane_keys: Array, num_steps: Array) -> tuple[Array, dict[str, tuple[Array, Array]]]:
        """Finished episodes and totals of each lane after ``num_steps`` steps."""
        init = jax.vmap(_init, (0, self.policy_axis, self.params_axis))
        fresh_memory = init(lane_keys, self.policy, self.params)
        stream = Stream.from_key(lane_keys).site(POLICY_SITE)

        def step(t: Array, progress: _Progress) -> _Progress:
            progress, brought = self._step(stream.step(t), progress)
            over = progress.lanes.over
            progress = lax.cond(jnp.any(over), lambda: _count(over, progress, brought, fresh_memory), lambda: progress)
            lanes = core.reset_where(self.env, over, progress.lanes, self.params, self.params_axis)
            return progress._replace(lanes=lanes)

        none = jnp.zeros(lane_keys.shape[0], jnp.float32)
        start = _Progress(
            lanes=core.start_batch(self.env, lane_keys, self.params, self.params_axis),
            memory=fresh_memory,
            running={"episode_return": none, "episode_length": none},
            episodes=none.astype(jnp.int32),
            totals={},
        )
        _, brought = jax.eval_shape(self._step, stream, start)
        start = start._replace(totals=dict.fromkeys(brought, (none, none)))
        end = lax.fori_loop(0, num_steps, step, start)
        return end.episodes, end.totals

    def _step(self, stream: Stream, progress: _Progress) -> tuple[_Progress, dict[str, Array]]:
        """Act and step once, no reset; the second value is what each lane's episode has brought so far."""
        act = jax.vmap(_act, (self.policy_axis, 0, 0, 0))
        action, memory = act(self.policy, stream, progress.memory, progress.lanes.observation)
        lanes, outcome = core.step_batch(self.env, progress.lanes, action, self.params, self.params_axis)
        running = {
            "episode_return": progress.running["episode_return"] + outcome.reward.astype(jnp.float32),
            "episode_length": progress.running["episode_length"] + 1,
        }
        told = {name: value for name, value in outcome.info.items() if name.startswith("episode_") and value.ndim == 1}
        return progress._replace(lanes=lanes, memory=memory, running=running), {**told, **running}


def _init(_: Array, policy: Policy, params: Any) -> Any:
    """A policy's carry for one lane; the first argument says how many lanes there are."""
    return policy.init(params)


def _act(policy: Policy, stream: Stream, memory: Any, observation: Array) -> tuple[Array, Any]:
    return policy.act(stream, memory, observation)


def _count(over: Array, progress: _Progress, brought: dict[str, Array], fresh_memory: Any) -> _Progress:
    """Add the episodes of the lanes ``over`` to the totals and begin their policies anew."""

    def anew(fresh: Array, old: Array) -> Array:
        return jnp.where(over.reshape(over.shape + (1,) * (old.ndim - 1)), fresh, old)

    return progress._replace(
        memory=jax.tree.map(anew, fresh_memory, progress.memory),
        running={name: jnp.where(over, 0.0, value) for name, value in progress.running.items()},
        episodes=progress.episodes + over,
        totals={
            name: add_compensated(total, jnp.where(over, brought[name], 0).astype(jnp.float32))
            for name, total in progress.totals.items()
        },
    )


def add_compensated(total: tuple[Array, Array], value: Array) -> tuple[Array, Array]:
    """Compensated summation (Neumaier, ZAMM 54, 1974, by the branchless TwoSum of Knuth): float32 alone forgets whole
    episodes in long runs."""
    rounded, roundings = total
    result = rounded + value
    taken = result - rounded
    return result, roundings + ((rounded - (result - taken)) + (value - taken))
