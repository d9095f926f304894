"""How good a policy is: its value against the clairvoyant ceiling and the optimum, on common random numbers.

A seed is a set of lanes, each playing its episode 0. Every policy meets the same markets, so differences are paired.
Value is what the environment's hindsight is measured in: expected conversions (the sum of the conversion rate over
paid clicks) or clicks; where an environment has no hindsight, the return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from rtb_envs import compile, core
from rtb_envs.core import Environment
from rtb_envs.policies.policy import Policy
from rtb_envs.random import Stream, lane_keys

Floats = NDArray[np.float64]
VALUE_TOTALS = {"conversion": "episode_expected_conversion", "click": "episode_click"}
_POLICY_SITE = 1


@dataclass(frozen=True)
class Bounds:
    """What could have been had in each episode, in the unit of value [seeds, episodes]."""

    optimum: Floats
    ceiling: Floats


@dataclass(frozen=True)
class Episodes:
    """What a policy brought in each episode; every array leads with [seeds, episodes]."""

    totals: dict[str, Floats]
    """``episode_return`` and every ``episode_*`` of the environment's info."""
    value: Floats
    cost: Floats | None
    """Money spent in each step [seeds, episodes, steps]; None in an environment without money."""


class Judge:
    """Plays policies in the same episodes: ``num_seeds`` sets of ``num_episodes`` episodes of one purpose.

    ``purpose`` is one of ``rtb_envs.random``'s, so that judging never meets a market that was trained in. ``horizon``
    is the length of an episode that does not end early: its steps, or its opportunities where a step has several.
    """

    def __init__(
        self, env: Environment[Any, Any, Any], purpose: int, num_seeds: int, num_episodes: int, horizon: int
    ) -> None:
        self.env = env
        self.seeds = tuple(range(num_seeds))
        self.num_steps = horizon // getattr(getattr(env, "config", None), "opportunities_per_step", 1)
        self.has_bounds = hasattr(env, "hindsight")
        objective = getattr(getattr(env, "config", None), "objective", "")
        self.value_total = VALUE_TOTALS.get(objective, "episode_return")
        self._keys = [lane_keys(seed, purpose, num_episodes) for seed in self.seeds]
        self._find_bounds = compile.jit(self._bounds)
        self._play = compile.jit(self._episodes)

    def play(self, policy: Policy, params: Any) -> Episodes:
        """What ``policy`` brings in every episode until it ends; ValueError when one goes on after ``num_steps``."""
        sets = [jax.device_get(self._play(policy, keys, params)) for keys in self._keys]
        steps = {name: np.stack([one[name] for one in sets]).astype(np.float64) for name in sets[0]}
        over = steps.pop("over").astype(bool)
        if not over.any(axis=-1).all():
            raise ValueError(f"num_steps must be the length of every episode, got {self.num_steps}")
        last = over.argmax(axis=-1)
        # Who has left the market, its budget spent, is told of it all the same until the market ends.
        per_step = {
            name: np.where(np.arange(self.num_steps) <= last[..., None], steps[name], 0)
            for name in ("reward", "cost")
            if name in steps
        }
        seed, episode = np.indices(last.shape)
        totals = {name: values[seed, episode, last] for name, values in steps.items() if name.startswith("episode_")}
        totals["episode_return"] = per_step["reward"].sum(axis=-1)
        return Episodes(totals, totals[self.value_total], per_step.get("cost"))

    def bounds(self, params: Any) -> Bounds:
        """What a clairvoyant would have got; only where ``has_bounds``."""
        optimum, ceiling = zip(*(self._find_bounds(keys, params) for keys in self._keys), strict=True)
        return Bounds(np.stack(optimum).astype(np.float64), np.stack(ceiling).astype(np.float64))

    def _bounds(self, lanes: Array, params: Any) -> tuple[Array, Array]:
        # The keys of episode 0, as core.start_batch makes them.
        keys = jax.vmap(jax.random.fold_in, (0, None))(lanes, 0)
        found = jax.vmap(self.env.hindsight, (0, None))(keys, params)  # type: ignore[attr-defined]
        return found.optimum, found.ceiling

    def _episodes(self, policy: Policy, lane_keys: Array, params: Any) -> dict[str, Array]:
        return play_episodes(self.env, policy, lane_keys, params, self.num_steps)


def play_episodes(
    env: Environment[Any, Any, Any],
    policy: Policy,
    lane_keys: Array,
    params: Any,
    num_steps: int,
    policy_axis: int | None = None,
) -> dict[str, Array]:
    """Reward, end and what info tells of money and totals, after each step of the lanes' episode 0 [lanes, steps, ...].

    ``policy_axis=0`` gives every lane its own settings of the policy.
    """
    stream = Stream.from_key(lane_keys).site(_POLICY_SITE)
    memory = jax.vmap(lambda _, policy: policy.init(params), (0, policy_axis))(lane_keys, policy)
    act = jax.vmap(lambda policy, *seen: policy.act(*seen), (policy_axis, 0, 0, 0))

    def step(carry: tuple[Any, Any], t: Array) -> tuple[tuple[Any, Any], dict[str, Array]]:
        lanes, memory = carry
        action, memory = act(policy, stream.step(t), memory, lanes.observation)
        lanes, outcome = core.step_batch(env, lanes, action, params)
        told = {name: x for name, x in outcome.info.items() if name == "cost" or name.startswith("episode_")}
        return (lanes, memory), {**told, "reward": outcome.reward, "over": lanes.over}

    start = core.start_batch(env, lane_keys, params), memory
    _, steps = lax.scan(step, start, jnp.arange(num_steps))
    return {name: jnp.swapaxes(x, 0, 1) for name, x in steps.items()}
