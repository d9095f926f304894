"""Feedback control of the two prices of an advertiser with a budget and a target cost per action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.cost_target import CostTargetRule, allowed_cost, target_setting
from rtb_envs.policies.pacing import Market, PacingView, Progress, SpendPlan, multiplier_setting, setting
from rtb_envs.policies.pid import control_signal
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree

LARGEST_DUAL = 1e3
LARGEST_SIGNAL = 20.0
"""exp of more would leave float32."""


class MultivariablePIDMemory(NamedTuple):
    """Memory of the two loops within an episode; of each pair, the first is the budget's, the second the cost's."""

    actions: Float[Array, ""]
    error: Float[Array, "2"]
    error_sum: Float[Array, "2"]


def relative_errors(market: Market, seen: Progress, actions: Float[Array, ""]) -> Float[Array, "2"]:
    """Of the budget and of the cost after ``actions`` so far, each within +-1 and positive where less is spent.

    The budget's is (spending that the rest of the plan gives the last step - what it spent) / (budget / horizon), the
    cost's (allowed - spent) / max(allowed, spent) so far, with allowed = target cost * actions.
    """
    share_of_rest = seen.planned_spend / jnp.maximum(seen.planned_budget + seen.planned_spend, 1e-6)
    wanted = (seen.remaining_budget + seen.spend) * share_of_rest
    spent = market.budget - seen.remaining_budget
    allowed = allowed_cost(market, actions, spent)
    cost_error = (allowed - spent) / jnp.maximum(jnp.maximum(allowed, spent), 1e-6)
    return jnp.stack([jnp.clip((wanted - seen.spend) / market.mean_spend, -1, 1), cost_error])


@pytree
@dataclass(frozen=True, kw_only=True)
class MultivariablePID(CostTargetRule[MultivariablePIDMemory]):
    """Bid multiplier = ``value_multiplier`` * (1 + q) / (p + q): M-PID, Yang et al. (KDD 2019, arXiv 1905.10928).

    The most value v under a budget and a target C of cost per value is had by winning where price < v (1 + q C) /
    (p + q), p and q being the linear program's duals. Here both are in units of 1 / C, and ``value_multiplier`` is the
    multiplier that bids C for an action for sure, so one multiplier serves all impressions. The source counts value
    in conversions and cost per click, b = CTR (CVR + q C) / (p + q).

    Each step p and q are p0 exp(-u'), q0 exp(-u''): u = Kp e + Ki sum(e) + Kd (e - e before) for both errors, mixed by
    u' = w u_budget + (1 - w) u_cost and u'' = (1 - w') u_budget + w' u_cost, with w = ``budget_weight`` and
    w' = ``cost_weight``. The errors are ``relative_errors``, so one set of gains serves both loops; the source has two.
    p0 and q0 are the hindsight duals where known. Without a target q is 0.
    """

    value_multiplier: Float[Array, ""]
    initial_duals: Float[Array, "2"]
    proportional_gain: Float[Array, ""]
    integral_gain: Float[Array, ""]
    derivative_gain: Float[Array, ""]
    mixing: Float[Array, "2 2"]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        value_multiplier: float = 1.0,
        initial_budget_dual: float = 1.0,
        initial_cost_dual: float = 1.0,
        proportional_gain: float = 0.3,
        integral_gain: float = 0.1,
        derivative_gain: float = 0.0,
        budget_weight: float = 0.8,
        cost_weight: float = 0.8,
        target_cost_per_action: float | None = None,
        plan: SpendPlan = "traffic",
    ) -> Policy:
        """The controller for an environment's observation, which shows "reward", and actions, continuous or discrete.

        ``value_multiplier`` lies in (0, 1e6], duals in (0, 1e3], gains in [-100, 100], weights in [0, 1], the target in
        (0, 1e9], None for the market's. Raises TypeError or ValueError for other numbers, and what
        ``PacingView.for_env`` raises.
        """
        own, other = setting("budget_weight", budget_weight, 0, 1), setting("cost_weight", cost_weight, 0, 1)
        duals = {"initial_budget_dual": initial_budget_dual, "initial_cost_dual": initial_cost_dual}
        rule = cls(
            view=PacingView.for_env(env, plan, reads_reward=True),
            target_cost_per_action=target_setting(target_cost_per_action),
            value_multiplier=multiplier_setting("value_multiplier", value_multiplier),
            initial_duals=jnp.stack([setting(*dual, 0, LARGEST_DUAL, open_low=True) for dual in duals.items()]),
            proportional_gain=setting("proportional_gain", proportional_gain, -100, 100),
            integral_gain=setting("integral_gain", integral_gain, -100, 100),
            derivative_gain=setting("derivative_gain", derivative_gain, -100, 100),
            mixing=jnp.stack([own, 1 - own, 1 - other, other]).reshape(2, 2),
        )
        return suited(rule, env.default_params if params is None else params)

    def start(self, market: Market) -> MultivariablePIDMemory:
        return MultivariablePIDMemory(jnp.float32(0), jnp.zeros(2), jnp.zeros(2))

    def next_multiplier(
        self, market: Market, seen: Progress, memory: MultivariablePIDMemory
    ) -> tuple[Array, MultivariablePIDMemory]:
        actions = memory.actions + seen.reward
        error = relative_errors(market, seen, actions)
        error_sum = memory.error_sum + error
        gains = self.proportional_gain, self.integral_gain, self.derivative_gain
        signal = control_signal(gains, error, error_sum, memory.error)
        mixed = jnp.clip((self.mixing * signal).sum(axis=1), -LARGEST_SIGNAL, LARGEST_SIGNAL)
        p, q = self.initial_duals * jnp.exp(-mixed)
        q = jnp.where(jnp.isfinite(market.target_cost_per_action), q, 0.0)
        return self.value_multiplier * (1 + q) / (p + q), MultivariablePIDMemory(actions, error, error_sum)
