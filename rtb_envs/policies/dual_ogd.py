"""First-price bidding under a budget whose price is learnt from what is spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.policies.bid_curve import BidCurveEnvironment, amount, curve_params, knots
from rtb_envs.policies.bid_shading import shaded_bid
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.policies.pacing import PacingView, SpendPlan
from rtb_envs.policies.policy import BidCurveParams, bid_curve_action
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

LARGEST_DUAL = 1e3


class DualOGDCarry(NamedTuple):
    """Memory of the rule within an episode."""

    planned_budget: Float[Array, "steps+1"]
    mean_spend: Float[Array, ""]
    """Budget over horizon: the unit in which spending is measured."""
    value: Float[Array, "knots"]
    largest_bid: Float[Array, ""]
    remaining_budget: Float[Array, ""]
    dual: Float[Array, ""]


@pytree
@dataclass(frozen=True)
class DualOGD:
    """b = argmax r(v, b) - dual * c(b); dual <- (dual - step_size * (target - spend))+: Wang et al., arXiv 2304.13477.

    r(v, b) = (v - b) * F(b) is the expected surplus and c(b) = b * F(b) the expected charge of a first-price auction, F
    the distribution of market prices. A step of many auctions is their round; what it spent stands for the sum of c.
    Spending is measured in units of budget / horizon. v = ``value_multiplier`` * standard bid price * relative rate.
    """

    value_multiplier: Float[Array, ""]
    initial_dual: Float[Array, ""]
    step_size: Float[Array, ""]
    distribution: MarketDistribution
    view: PacingView = field(metadata={"static": True})

    @classmethod
    def for_env(
        cls,
        env: BidCurveEnvironment,
        params: BidCurveParams | None = None,
        *,
        value_multiplier: float = 1.0,
        initial_dual: float = 0.0,
        step_size: float | None = None,
        plan: SpendPlan = "traffic",
        distribution: MarketDistribution | None = None,
    ) -> DualOGD:
        """The rule for an environment's observation; ``distribution`` None is the environment's own.

        ``value_multiplier`` lies in (0, 1e9], ``initial_dual`` in [0, 1e3], ``step_size`` in (0, 1e3]; None is
        horizon**-0.5, the rate of the source. Raises TypeError or ValueError for other numbers, actions that are no
        bid curves, and what ``PacingView.for_env`` raises.
        """
        params = curve_params(env, params)
        distribution = env.market_distribution(params) if distribution is None else distribution
        step_size = float(params.horizon) ** -0.5 if step_size is None else step_size
        return cls(
            amount("value_multiplier", value_multiplier),
            jnp.float32(validation.number("initial_dual", initial_dual, 0, LARGEST_DUAL)),
            jnp.float32(validation.number("step_size", step_size, 0, LARGEST_DUAL, open_low=True)),
            distribution,
            PacingView.for_env(env, plan),
        )

    def init(self, params: BidCurveParams) -> DualOGDCarry:
        budget = jnp.asarray(params.initial_budget, jnp.float32)
        value = self.value_multiplier * params.standard_bid_price * knots(params)
        planned = self.view.planned_budget(params)
        return DualOGDCarry(
            planned, budget / params.horizon, value, jnp.asarray(params.largest_bid), budget, self.initial_dual
        )

    def act(self, stream: Stream, carry: DualOGDCarry, observation: Array) -> tuple[Array, DualOGDCarry]:
        t, remaining = observation[self.view.timestep].astype(jnp.int32), observation[self.view.remaining_budget]
        # In the first step nothing has been spent and nothing was planned, so the dual stays where it begins.
        target = carry.planned_budget[jnp.maximum(t - 1, 0)] - carry.planned_budget[t]
        spend = carry.remaining_budget - remaining
        dual = jnp.clip(carry.dual - self.step_size * (target - spend) / carry.mean_spend, 0, LARGEST_DUAL)
        bids = shaded_bid(carry.value, dual, self.distribution)
        # Memories keep their precision, so that they can be carried through a loop in 64-bit mode too.
        memory = carry._replace(
            remaining_budget=remaining.astype(carry.remaining_budget.dtype), dual=dual.astype(carry.dual.dtype)
        )
        return bid_curve_action(bids, carry.largest_bid), memory
