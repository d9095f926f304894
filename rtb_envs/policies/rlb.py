"""Real-time bidding by reinforcement learning: a dynamic program over the budget and the auctions left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.policies.bid_curve import BidCurveEnvironment, curve_params, expected_auctions, knots
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.policies.pacing import PacingView
from rtb_envs.policies.policy import BidCurveParams, bid_curve_action
from rtb_envs.policies.value_of_budget import highest_acceptable_price, value_of_budget
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

RateModel = Literal["mean", "distribution"]


class RLBCarry(NamedTuple):
    """What the rule needs of the market; it has no memory."""

    knots: Float[Array, "knots"]
    largest_bid: Float[Array, ""]


@pytree
@dataclass(frozen=True)
class RLB:
    """b = max d with rate + V(t, budget - d) >= V(t, budget): Cai et al., WSDM 2017, arXiv 1701.02490.

    For second-price auctions. V is computed once, when the rule is built; the curve of a step is the bid as a function
    of the relative rate with the budget and the expected number of auctions left at the step's start.
    """

    value: Float[Array, "steps points"]
    spacing: Float[Array, ""]
    charge_rate: Float[Array, ""]
    """How likely a won impression is charged: V counts expected charges, a bid is a price."""
    view: PacingView = field(metadata={"static": True})

    @classmethod
    def for_env(
        cls,
        env: BidCurveEnvironment,
        params: BidCurveParams | None = None,
        *,
        rate_model: RateModel = "distribution",
        num_points: int = 257,
        distribution: MarketDistribution | None = None,
    ) -> RLB:
        """The rule for the market's ``distribution`` (None is the environment's own).

        ``rate_model`` "mean": V takes every impression for an average one, the source's approximation, which spends too
        early where rates are spread widely; "distribution": V knows how they are spread. ``num_points`` in [3, 10000]
        budgets, fewer where traffic would buy the budget thousands of times. Raises TypeError or ValueError for other
        settings, actions that are no bid curves, and what ``PacingView.for_env`` raises.
        """
        params = curve_params(env, params)
        view = PacingView.for_env(env, "traffic")
        validation.choice("rate_model", rate_model, get_args(RateModel))
        validation.integer("num_points", num_points, 3, 10_000)
        distribution = env.market_distribution(params) if distribution is None else distribution
        value, spacing = value_of_budget(
            distribution,
            expected_auctions(params),
            params.initial_budget,
            spread_rates=rate_model == "distribution",
            num_points=num_points,
        )
        return cls(value, spacing, jnp.asarray(distribution.charge_rate), view)

    def init(self, params: BidCurveParams) -> RLBCarry:
        return RLBCarry(knots(params), jnp.asarray(params.largest_bid))

    def act(self, stream: Stream, carry: RLBCarry, observation: Array) -> tuple[Array, RLBCarry]:
        t = jnp.minimum(observation[self.view.timestep].astype(jnp.int32), self.value.shape[0] - 1)
        remaining = observation[self.view.remaining_budget]
        charge = highest_acceptable_price(self.value[t], self.spacing, remaining, carry.knots)
        return bid_curve_action(charge / self.charge_rate, carry.largest_bid), carry
