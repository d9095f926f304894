"""Smooth delivery: pacing by taking part in a share of the auctions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.policies.bid_curve import BidCurveEnvironment, amount, curve_params, expected_auctions, knots
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.policies.pacing import PacingView, SpendPlan
from rtb_envs.policies.policy import BidCurveParams, bid_curve_action
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

SMALLEST_RATE = 1e-4


class ThrottlingCarry(NamedTuple):
    """Memory of the rule within an episode."""

    planned_budget: Float[Array, "steps+1"]
    bids: Float[Array, "knots"]
    largest_bid: Float[Array, ""]
    participation_rate: Float[Array, ""]


@pytree
@dataclass(frozen=True)
class Throttling:
    """p <- p * (1 + ``adjustment``) while less than planned has been spent, else p * (1 - ``adjustment``).

    Agarwal, Ghosh, Wei and You, Budget pacing for targeted online advertisements at LinkedIn, KDD 2014. p in (0, 1] is
    the probability of taking part in an auction; the bids, linear at ``multiplier``, never change.
    """

    multiplier: Float[Array, ""]
    adjustment: Float[Array, ""]
    initial_rate: Float[Array, ""]
    view: PacingView = field(metadata={"static": True})

    @classmethod
    def for_env(
        cls,
        env: BidCurveEnvironment,
        params: BidCurveParams | None = None,
        *,
        multiplier: float = 1.0,
        adjustment: float = 0.1,
        initial_rate: float | None = None,
        plan: SpendPlan = "traffic",
        distribution: MarketDistribution | None = None,
    ) -> Throttling:
        """The rule for an environment's observation.

        ``multiplier`` lies in (0, 1e9], ``adjustment`` in [0, 0.99], ``initial_rate`` in (0, 1]; None is the rate
        that is expected to spend the budget in the market's ``distribution`` (None is the environment's own). Raises
        TypeError or ValueError for other numbers, actions that are no bid curves, and what ``PacingView.for_env``
        raises.
        """
        params = curve_params(env, params)
        scale = amount("multiplier", multiplier)
        if initial_rate is None:
            distribution = env.market_distribution(params) if distribution is None else distribution
            bid = scale * params.standard_bid_price * distribution.relative_rate
            spend = jnp.mean(distribution.expected_charge(bid)) * jnp.sum(expected_auctions(params))
            initial_rate = float(jnp.clip(params.initial_budget / jnp.maximum(spend, 1e-9), SMALLEST_RATE, 1))
        return cls(
            scale,
            jnp.float32(validation.number("adjustment", adjustment, 0, 0.99)),
            jnp.float32(validation.number("initial_rate", initial_rate, 0, 1, open_low=True)),
            PacingView.for_env(env, plan),
        )

    def init(self, params: BidCurveParams) -> ThrottlingCarry:
        bids = self.multiplier * params.standard_bid_price * knots(params)
        planned = self.view.planned_budget(params)
        return ThrottlingCarry(planned, bids, jnp.asarray(params.largest_bid), self.initial_rate)

    def act(self, stream: Stream, carry: ThrottlingCarry, observation: Array) -> tuple[Array, ThrottlingCarry]:
        t, remaining = observation[self.view.timestep].astype(jnp.int32), observation[self.view.remaining_budget]
        factor = jnp.where(remaining > carry.planned_budget[t], 1 + self.adjustment, 1 - self.adjustment)
        rate = jnp.clip(carry.participation_rate * jnp.where(t > 0, factor, 1.0), SMALLEST_RATE, 1)
        return bid_curve_action(carry.bids, carry.largest_bid, rate), carry._replace(participation_rate=rate)
