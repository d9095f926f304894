"""Learn the prices of the budget and of the return on investment; the higher price counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.adaptive_pacing import LARGEST_DUAL, paced_bid
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


class BROIMemory(NamedTuple):
    """Memory of the rule within an episode; the first entry of each pair is the budget's, the second the return's."""

    duals: Float[Array, "2"]
    gradients: Float[Array, "2"]


@pytree
@dataclass(frozen=True, kw_only=True)
class BROI(CostTargetRule[BROIMemory]):
    """Bid multiplier = ``value_multiplier`` / (1 + max(m_budget, m_return)): Lucier et al. (COLT 2024).

    *Autobidders with Budget and ROI Constraints* (arXiv 2301.13306), step by step instead of auction by auction. Value
    must be at least g = ``return_on_spend`` times its cost: an action is worth g * target cost, and
    ``value_multiplier`` is the multiplier that bids this worth for an action for sure. The duals move by ``step_size``
    times the gradient spent - planned and by ``cost_step_size`` times g * (spent - target cost * actions), in units of
    budget / horizon, within [0, 1e3] and [0, g - 1]. m_return begins at g - 1, at which no bid is above the target, and
    is 0 without a target. The step is optimistic as in BAT (Khirianova et al., 2025): twice the gradient less the one
    before.
    """

    value_multiplier: Float[Array, ""]
    return_on_spend: Float[Array, ""]
    initial_budget_dual: Float[Array, ""]
    step_size: Float[Array, ""]
    cost_step_size: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        value_multiplier: float = 1.0,
        return_on_spend: float = 2.0,
        initial_budget_dual: float = 0.0,
        step_size: float | None = None,
        cost_step_size: float | None = None,
        target_cost_per_action: float | None = None,
        plan: SpendPlan = "even",
    ) -> Policy:
        """The rule for an environment's observation, which shows "reward", and actions, continuous or discrete.

        ``value_multiplier`` lies in (0, 1e6], ``return_on_spend`` in [1, 1e3], ``initial_budget_dual`` in [0, 1e3],
        step sizes in (0, 1e3], None for horizon**-0.5, the target in (0, 1e9], None for the market's. Raises
        TypeError or ValueError for other numbers, and what ``PacingView.for_env`` raises.
        """
        params = env.default_params if params is None else params
        rule = cls(
            view=PacingView.for_env(env, plan, reads_reward=True),
            target_cost_per_action=target_setting(target_cost_per_action),
            value_multiplier=multiplier_setting("value_multiplier", value_multiplier),
            return_on_spend=setting("return_on_spend", return_on_spend, 1, 1e3),
            initial_budget_dual=setting("initial_budget_dual", initial_budget_dual, 0, LARGEST_DUAL),
            step_size=step_size_setting("step_size", step_size, params),
            cost_step_size=step_size_setting("cost_step_size", cost_step_size, params),
        )
        return suited(rule, params)

    def start(self, market: Market) -> BROIMemory:
        return BROIMemory(jnp.stack([self.initial_budget_dual, self._largest_return_dual(market)]), jnp.zeros(2))

    def next_multiplier(self, market: Market, seen: Progress, memory: BROIMemory) -> tuple[Array, BROIMemory]:
        missed = self.return_on_spend * (seen.spend - allowed_cost(market, seen.reward, seen.spend))
        gradients = jnp.stack([seen.spend - seen.planned_spend, missed]) / market.mean_spend
        # The first gradient has none before it: a plain step.
        before = jnp.where(seen.step > 1, memory.gradients, gradients)
        largest = jnp.stack([jnp.float32(LARGEST_DUAL), self._largest_return_dual(market)])
        step_sizes = jnp.stack([self.step_size, self.cost_step_size])
        duals = jnp.clip(memory.duals + step_sizes * (2 * gradients - before), 0, largest)
        return paced_bid(self.value_multiplier, jnp.max(duals)), BROIMemory(duals, gradients)

    def _largest_return_dual(self, market: Market) -> Array:
        return jnp.where(jnp.isfinite(market.target_cost_per_action), self.return_on_spend - 1, 0.0)
