"""A market whose episodes have one of several budgets: what a learner is trained in to serve all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rtb_envs.action_scale import ActionScale
from rtb_envs.core import Environment, Info
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

_BUDGET_SITE = 0x42554447

WithBudget = Callable[[Any, Array], Any]
"""The market's numbers with another budget; traceable."""


@pytree
@dataclass(frozen=True)
class BudgetsParams:
    """The market's numbers, and the budgets that its episodes may have."""

    market: Any
    budget: Float[Array, "budgets"]
    worth: Float[Array, "budgets"]
    """What the rewards of an episode with each budget are divided by, so that all budgets count alike."""
    largest_budget: Float[Array, ""]
    """The unit in which the agent is told its budget."""

    @property
    def horizon(self) -> Array:
        """Steps of an episode."""
        horizon: Array = self.market.horizon
        return horizon


@pytree
@dataclass(frozen=True)
class BudgetsState:
    """The market's own state, and the episode's budget and worth."""

    market: Any
    budget: Float[Array, ""]
    worth: Float[Array, ""]


@pytree
@dataclass(frozen=True)
class ResetNoise:
    """The market's draws, and the uniform that chooses the budget."""

    market: Any
    uniform: Float[Array, ""]


class Budgets(Environment[BudgetsParams, BudgetsState, Any]):
    """``market`` with a budget drawn evenly from ``params.budget`` at the start of each episode.

    - Observation: the market's, with log2(budget / largest budget) and the share of the budget left appended.
    - Reward: the market's over the worth of the episode's budget.
    - Action, end, info and every draw: the market's.
    """

    def __init__(self, market: Environment[Any, Any, Any], params: BudgetsParams, with_budget: WithBudget) -> None:
        self._market, self._params, self._with_budget = market, params, with_budget
        self._remaining = market.config.observation_keys.index("remaining_budget")  # type: ignore[attr-defined]
        self.id = market.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Budgets) and self._program == other._program

    def __hash__(self) -> int:
        return hash(self._program)

    @property
    def _program(self) -> tuple[Any, WithBudget]:
        return self._market, self._with_budget

    @property
    def default_params(self) -> BudgetsParams:
        return self._params

    @property
    def action_scale(self) -> ActionScale:
        return self._market.action_scale

    def observation_space(self, params: BudgetsParams) -> gymnasium.spaces.Box:
        space = self._market.observation_space(self._with_budget(params.market, params.largest_budget))
        assert isinstance(space, gymnasium.spaces.Box)
        lowest = np.log2(np.float32(jnp.min(params.budget) / params.largest_budget))
        low, high = np.append(space.low, [lowest, 0]), np.append(space.high, [0, 1])
        return gymnasium.spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)

    def action_space(self, params: BudgetsParams) -> gymnasium.spaces.Space[Any]:
        return self._market.action_space(params.market)

    def reset_noise(self, key: Array, params: BudgetsParams) -> ResetNoise:
        uniform = Stream.from_key(key).site(_BUDGET_SITE).uniform()
        return ResetNoise(self._market.reset_noise(key, params.market), uniform)

    def initial(self, noise: ResetNoise, params: BudgetsParams) -> BudgetsState:
        chosen = jnp.floor(noise.uniform * params.budget.shape[0]).astype(jnp.int32)
        budget = params.budget[chosen]
        market = self._market.initial(noise.market, self._with_budget(params.market, budget))
        return BudgetsState(market, budget, params.worth[chosen])

    def noise(self, key: Array, state: BudgetsState, params: BudgetsParams) -> Any:
        return self._market.noise(key, state.market, self._market_params(state, params))

    def transition(
        self, state: BudgetsState, action: Array, noise: Any, params: BudgetsParams
    ) -> tuple[BudgetsState, Array, Array, Array, Info]:
        market, reward, terminated, truncated, info = self._market.transition(
            state.market, action, noise, self._market_params(state, params)
        )
        after = BudgetsState(market, state.budget, state.worth)
        return after, reward / state.worth, terminated, truncated, info

    def observe(self, state: BudgetsState, params: BudgetsParams) -> Array:
        seen = self._market.observe(state.market, self._market_params(state, params))
        told = [jnp.log2(state.budget / params.largest_budget), seen[self._remaining] / state.budget]
        return jnp.append(seen, jnp.stack(told))

    def _market_params(self, state: BudgetsState, params: BudgetsParams) -> Any:
        return self._with_budget(params.market, state.budget)
