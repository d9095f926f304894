"""Grid search over a rule's settings, all of them against the same episodes in one compiled call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import validation
from rtb_envs.core import Environment
from rtb_envs.policies.policy import Policy
from rtb_envs.random import TUNE, lane_keys
from rtb_envs.rollouts.lanes import MAX_LANES, resolve, run_lanes
from rtb_envs.rollouts.result import FloatArray

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True)
class Tuning:
    """The outcome of a grid search."""

    policy: Policy
    """The policy of the best settings; the first of equals."""
    settings: dict[str, Any]
    """The best settings."""
    score: str
    """What was maximised: a name of ``Rollout.totals``, its mean per episode."""
    grid: list[dict[str, Any]]
    """Every combination of settings."""
    means: FloatArray
    """Mean of ``score`` per episode for each of ``grid``."""

    def frame(self) -> polars.DataFrame:
        """One row for each combination: its settings and the mean ``score``, best first."""
        import polars

        scored = [{**settings, self.score: mean} for settings, mean in zip(self.grid, self.means, strict=True)]
        return polars.DataFrame(scored).sort(self.score, descending=True, maintain_order=True)


def tune(
    env: str | Environment[Any, Any, Any],
    family: Callable[..., Policy],
    grid: Mapping[str, Iterable[Any]],
    num_episodes: int,
    seed: int,
    params: Any = None,
    *,
    score: str = "episode_return",
) -> Tuning:
    """The best of ``family(env, params, **settings)`` over all combinations of the settings in ``grid``.

    ``family`` is a rule's ``for_env``. All combinations meet the same ``num_episodes`` episodes, of lanes with the
    purpose TUNE, which no rollout and no learner meets; a training's validation, which chooses among checkpoints, does.
    ``params`` must have the ``horizon`` of an episode; settings must differ in numbers only.

    Raises TypeError or ValueError for wrong ``num_episodes`` or ``seed``, an empty grid, a ``score`` that the
    environment does not give, and what ``family`` raises for a setting.
    """
    env = resolve(env)
    params = env.default_params if params is None else params
    points = _combinations(grid)
    num_episodes = validation.integer("num_episodes", num_episodes, 1, MAX_LANES // len(points))
    keys = lane_keys(validation.integer("seed", seed, 0, 2**32 - 1), TUNE, num_episodes)
    policies = [family(env, params, **point) for point in points]
    if len({jax.tree.structure(policy) for policy in policies}) > 1:
        raise validation.wrong_value("grid", "settings that differ in numbers only", dict(grid))

    repeated = jax.tree.map(lambda *leaves: jnp.repeat(jnp.stack(leaves), num_episodes, axis=0), *policies)
    result = run_lanes(env, repeated, jnp.tile(keys, len(points)), int(params.horizon), params, policy_axis=0)
    totals = result.totals[validation.choice("score", score, list(result.totals))]
    means = totals.reshape(len(points), num_episodes).mean(axis=1)
    best = int(np.argmax(means))
    return Tuning(policies[best], points[best], score, points, means)


def _combinations(grid: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Every combination of one value for each setting, the last setting varying fastest."""
    values = {
        name: [value.item() if isinstance(value, np.generic) else value for value in vs] for name, vs in grid.items()
    }
    empty = [name for name, candidates in values.items() if not candidates]
    if empty or not values:
        raise ValueError(f"grid must give at least one value for each setting, got none for {empty or 'any'}")
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
