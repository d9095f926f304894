"""Budget pacing and return-on-spend pacing side by side; the lower bid counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.adaptive_pacing import LARGEST_DUAL, next_dual
from rtb_envs.policies.cost_target import CostTargetRule, allowed_cost, target_setting
from rtb_envs.policies.pacing import (
    Market,
    PacingView,
    Progress,
    SpendPlan,
    multiplier_setting,
    setting,
    step_size_setting,
)
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree

SMALLEST_DUAL = 1e-6
"""Of a divisor: a dual of 0 asks for no limit."""


class MinPacingMemory(NamedTuple):
    """Memory of the rule within an episode."""

    budget_dual: Float[Array, ""]
    cost_dual: Float[Array, ""]


@pytree
@dataclass(frozen=True, kw_only=True)
class MinPacing(CostTargetRule[MinPacingMemory]):
    """Bid multiplier = ``value_multiplier`` * min(1 / m, (1 + l) / l): min pacing of Balseiro et al. (ICML 2024).

    Two services know nothing of each other (*A Field Guide for Pacing Budget and ROS Constraints*, arXiv 2302.08530):
    one learns the price m of the budget, the other the price l of the return-on-spend constraint value >= cost, here
    target cost * actions >= cost. ``value_multiplier`` is the multiplier that bids the target for an action for sure.
    After each step both take a projected subgradient step: m -= ``step_size`` * (planned - spent), l -=
    ``cost_step_size`` * (target cost * actions - spent), in units of budget / horizon and kept in [0, 1e3]. Without a
    target l is 0.
    """

    value_multiplier: Float[Array, ""]
    initial_budget_dual: Float[Array, ""]
    initial_cost_dual: Float[Array, ""]
    step_size: Float[Array, ""]
    cost_step_size: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        value_multiplier: float = 1.0,
        initial_budget_dual: float = 1.0,
        initial_cost_dual: float = 1.0,
        step_size: float | None = None,
        cost_step_size: float | None = None,
        target_cost_per_action: float | None = None,
        plan: SpendPlan = "even",
    ) -> Policy:
        """The rule for an environment's observation, which shows "reward", and actions, continuous or discrete.

        ``value_multiplier`` lies in (0, 1e6], duals in [0, 1e3], step sizes in (0, 1e3], None for horizon**-0.5, the
        target in (0, 1e9], None for the market's. Raises TypeError or ValueError for other numbers, and what
        ``PacingView.for_env`` raises.
        """
        params = env.default_params if params is None else params
        rule = cls(
            view=PacingView.for_env(env, plan, reads_reward=True),
            target_cost_per_action=target_setting(target_cost_per_action),
            value_multiplier=multiplier_setting("value_multiplier", value_multiplier),
            initial_budget_dual=setting("initial_budget_dual", initial_budget_dual, 0, LARGEST_DUAL),
            initial_cost_dual=setting("initial_cost_dual", initial_cost_dual, 0, LARGEST_DUAL),
            step_size=step_size_setting("step_size", step_size, params),
            cost_step_size=step_size_setting("cost_step_size", cost_step_size, params),
        )
        return suited(rule, params)

    def start(self, market: Market) -> MinPacingMemory:
        limited = jnp.isfinite(market.target_cost_per_action)
        return MinPacingMemory(self.initial_budget_dual, jnp.where(limited, self.initial_cost_dual, 0.0))

    def next_multiplier(self, market: Market, seen: Progress, memory: MinPacingMemory) -> tuple[Array, MinPacingMemory]:
        spend, planned = seen.spend / market.mean_spend, seen.planned_spend / market.mean_spend
        allowed = allowed_cost(market, seen.reward, seen.spend) / market.mean_spend
        budget_dual = next_dual(memory.budget_dual, planned, spend, self.step_size, LARGEST_DUAL)
        cost_dual = next_dual(memory.cost_dual, allowed, spend, self.cost_step_size, LARGEST_DUAL)
        within_budget = 1 / jnp.maximum(budget_dual, SMALLEST_DUAL)
        within_target = 1 + 1 / jnp.maximum(cost_dual, SMALLEST_DUAL)
        multiplier = self.value_multiplier * jnp.minimum(within_budget, within_target)
        return multiplier, MinPacingMemory(budget_dual, cost_dual)
