"""Episodes of the benchmark: the same lanes for every method, stepped by one program that all methods share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs import compile, core
from rtb_envs.core import Environment
from rtb_envs.policies.policy import Policy
from rtb_envs.random import EVALUATE, TUNE, Stream, lane_keys
from rtb_envs.rollouts.chunk import POLICY_SITE

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Sizes:
    """How much is played: ``seeds`` sets of ``episodes`` episodes; each setting in ``tuning_episodes`` others."""

    seeds: int = 10
    episodes: int = 32
    tuning_episodes: int = 32

    @property
    def lanes(self) -> int:
        """Episodes of the evaluation, which run together; tuning fills the same lanes."""
        return self.seeds * self.episodes


@dataclass(frozen=True)
class Played:
    """What a method's episodes brought; arrays lead with [seeds, episodes], ``spend`` ends with [steps]."""

    value: Floats
    """Clicks, or expected conversions, by the market's objective."""
    actions: Floats
    """Clicks or conversions as they happened."""
    auctions: Floats
    spend: Floats


class Table:
    """Where the benchmark plays: an environment, with the lanes of evaluation and tuning.

    Steps are separate calls: the market's step, by far the largest program, is then compiled once for all rules, and
    once for all markets and budgets that differ in numbers only.
    """

    def __init__(self, env: Environment[Any, Any, Any], horizon: int, sizes: Sizes, totals: tuple[str, str]) -> None:
        """``totals`` names the entries of info that total an episode's value, and its actions as they happened."""
        self.env, self.horizon, self.sizes = env, horizon, sizes
        self._value, self._action = totals
        self._keys = evaluation_lanes(sizes)

    def evaluate(self, policy: Policy, params: Any) -> Played:
        """The held-out episodes of one policy in the market ``params``."""
        return self._played(self._play(policy, None, self._keys, params))

    def evaluate_rule(self, rule: Policy, params: Any) -> Played:
        """The same by the program that tunes the rule, so that it is compiled once."""
        return self._played(self._play(_repeated([rule], self.sizes.lanes), 0, self._keys, params))

    def tuning_means(self, rules: Sequence[Policy], params: Any) -> Floats:
        """The mean value of each rule (of one kind, in different settings) over the tuning episodes."""
        lanes, episodes = self.sizes.lanes, self.sizes.tuning_episodes
        keys = jnp.tile(lane_keys(0, TUNE, episodes), len(rules))
        policies = _repeated(rules, episodes)
        total = len(rules) * episodes
        values = []
        for first in range(0, total, lanes):
            # The last call is filled up with lanes that do not count.
            chosen = np.minimum(np.arange(first, first + lanes), total - 1)
            part = jax.tree.map(lambda leaf: leaf[chosen], policies)  # noqa: B023
            values.append(self._play(part, 0, keys[chosen], params)[self._value])
        return np.concatenate(values)[:total].reshape(len(rules), episodes).mean(axis=1)

    def _play(self, policy: Policy, policy_axis: int | None, keys: Array, params: Any) -> dict[str, Floats]:
        """Totals of the lanes' episode 0 [lanes], and "cost", the money of each step [lanes, steps].

        ``policy_axis=0`` gives every lane its own settings of the policy.
        """
        start, step, act = _start(self.env), _step(self.env), _act(policy_axis)
        lanes = start(keys, params)
        stream, memory = _begin(policy_axis)(policy, keys, params)
        costs = []
        for t in range(self.horizon):
            action, memory = act(policy, stream, jnp.int32(t), memory, lanes.observation)
            lanes, told = step(lanes, action, params)
            costs.append(told["cost"])
        if not np.asarray(lanes.over).all():
            raise ValueError(f"horizon must be the length of every episode, got {self.horizon}")
        totals = {
            name: np.asarray(told[name], np.float64) for name in {self._value, self._action, "episode_search_volume"}
        }
        return {**totals, "cost": np.stack(costs, axis=1).astype(np.float64)}

    def _played(self, brought: dict[str, Floats]) -> Played:
        shape = (self.sizes.seeds, self.sizes.episodes)
        value, actions, auctions = (
            brought[name].reshape(shape) for name in (self._value, self._action, "episode_search_volume")
        )
        return Played(value, actions, auctions, brought["cost"].reshape(*shape, self.horizon))


def evaluation_lanes(sizes: Sizes) -> Array:
    """Keys of the held-out lanes, seeds one after another."""
    return jnp.concatenate([lane_keys(seed, EVALUATE, sizes.episodes) for seed in range(sizes.seeds)])


def _repeated(rules: Sequence[Policy], times: int) -> Policy:
    """Rules of one kind as one policy for many lanes, each for ``times`` lanes."""
    repeated: Policy = jax.tree.map(lambda *leaves: jnp.repeat(jnp.stack(leaves), times, axis=0), *rules)
    return repeated


@functools.lru_cache(maxsize=32)
def _start(env: Environment[Any, Any, Any]) -> Any:
    return compile.jit(lambda keys, params: core.start_batch(env, keys, params))


@functools.lru_cache(maxsize=32)
def _step(env: Environment[Any, Any, Any]) -> Any:
    """(lanes, action, params) -> the lanes after a step, and what info tells of money and totals."""

    def step(lanes: core.Lanes[Any], action: Array, params: Any) -> tuple[core.Lanes[Any], dict[str, Array]]:
        lanes, outcome = core.step_batch(env, lanes, action, params)
        told = {name: x for name, x in outcome.info.items() if name == "cost" or name.startswith("episode_")}
        return lanes, told

    return compile.jit(step)


@functools.lru_cache(maxsize=2)
def _begin(policy_axis: int | None) -> Any:
    """(policy, lane keys, params) -> the policies' streams and the memories that begin an episode."""

    def begin(policy: Policy, keys: Array, params: Any) -> tuple[Stream, Any]:
        memory = jax.vmap(lambda _, policy: policy.init(params), (0, policy_axis))(keys, policy)
        return Stream.from_key(keys).site(POLICY_SITE), memory

    return compile.jit(begin)


@functools.lru_cache(maxsize=2)
def _act(policy_axis: int | None) -> Any:
    """(policy, streams, t, memories, observations) -> actions and memories."""

    def act(policy: Policy, stream: Stream, t: Array, memory: Any, observation: Array) -> tuple[Array, Any]:
        one = jax.vmap(lambda policy, *seen: policy.act(*seen), (policy_axis, 0, 0, 0))
        action, memory = one(policy, stream.step(t), memory, observation)
        return action, memory

    return compile.jit(act)
