"""Episodes of the benchmark: the same lanes for every method, all of them in one compiled call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtb_envs import compile
from rtb_envs.core import Environment
from rtb_envs.policies.policy import Policy
from rtb_envs.random import EVALUATE, TUNE, lane_keys
from training.evaluation import play_episodes

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
    """Where the benchmark plays: an environment and its parameters, with the lanes of evaluation and tuning."""

    def __init__(self, env: Environment[Any, Any, Any], params: Any, sizes: Sizes, totals: tuple[str, str]) -> None:
        """``totals`` names the entries of info that total an episode's value, and its actions as they happened."""
        self.env, self.params, self.sizes = env, params, sizes
        self.horizon = int(params.horizon)
        self._value, self._action = totals
        self._keys = jnp.concatenate([lane_keys(seed, EVALUATE, sizes.episodes) for seed in range(sizes.seeds)])

    def evaluate(self, policy: Policy) -> Played:
        """The held-out episodes of one policy."""
        return self._played(_compiled(self.env, self.horizon, False)(policy, self._keys, self.params))

    def evaluate_rule(self, rule: Policy) -> Played:
        """The same by the program that tunes the rule, so that it is compiled once."""
        lanes = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.sizes.lanes, *jnp.shape(leaf))), rule)
        return self._played(_compiled(self.env, self.horizon, True)(lanes, self._keys, self.params))

    def tuning_means(self, rules: Sequence[Policy]) -> Floats:
        """The mean value of each rule (of one kind, in different settings) over the tuning episodes."""
        lanes, episodes = self.sizes.lanes, self.sizes.tuning_episodes
        keys = jnp.tile(lane_keys(0, TUNE, episodes), len(rules))
        stacked = jax.tree.map(lambda *leaves: jnp.repeat(jnp.stack(leaves), episodes, axis=0), *rules)
        total = len(rules) * episodes
        values = []
        for first in range(0, total, lanes):
            # The last call is filled up with lanes that do not count.
            chosen = np.minimum(np.arange(first, first + lanes), total - 1)
            part = jax.tree.map(lambda leaf: leaf[chosen], stacked)  # noqa: B023
            steps = _compiled(self.env, self.horizon, True)(part, keys[chosen], self.params)
            values.append(np.asarray(steps[self._value], np.float64)[:, -1])
        return np.concatenate(values)[:total].reshape(len(rules), episodes).mean(axis=1)

    def optimum(self, find: Callable[[Any, Array], Array]) -> Floats:
        """R* of each held-out episode [seeds, episodes], as ``find`` has it for the parameters and episodes' keys."""
        keys = jax.vmap(jax.random.fold_in, (0, None))(self._keys, 0)
        shape = (self.sizes.seeds, self.sizes.episodes)
        return np.asarray(_compiled_optimum(find)(self.params, keys), np.float64).reshape(shape)

    def _played(self, steps: dict[str, Array]) -> Played:
        shape = (self.sizes.seeds, self.sizes.episodes)
        host = {
            name: np.asarray(steps[name], np.float64)
            for name in {self._value, self._action, "episode_search_volume", "cost"}
        }
        last = {name: array[:, -1].reshape(shape) for name, array in host.items()}
        spend = host["cost"].reshape(*shape, self.horizon)
        return Played(last[self._value], last[self._action], last["episode_search_volume"], spend)


@functools.lru_cache(maxsize=64)
def _compiled(env: Environment[Any, Any, Any], horizon: int, one_rule_a_lane: bool) -> Any:
    axis = 0 if one_rule_a_lane else None
    return compile.jit(lambda policy, keys, params: play_episodes(env, policy, keys, params, horizon, axis))


@functools.lru_cache(maxsize=64)
def _compiled_optimum(find: Callable[[Any, Array], Array]) -> Any:
    return compile.jit(find)
