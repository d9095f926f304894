"""Bids by a fixed limit on the cost per click."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.bid_curve import BidCurveEnvironment, FixedCurve, amount, curve_params, knots
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.policies.policy import BidCurveParams
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class MaxCPC(FixedCurve):
    """b = max eCPC * pCTR: "Mcpc" of Zhang, Yuan and Wang, arXiv 1407.7073, 2014. It knows of no budget.

    With the objective "conversion" the limit is on the cost per conversion, and the rate is that of conversions.
    """

    bid_at_unit_rate: Float[Array, ""]
    """``max_cost_per_click`` times the predicted rate at relative rate 1."""

    @classmethod
    def for_env(
        cls,
        env: BidCurveEnvironment,
        params: BidCurveParams | None = None,
        *,
        max_cost_per_click: float | None = None,
        distribution: MarketDistribution | None = None,
    ) -> MaxCPC:
        """The rule for a limit in (0, 1e9] money units.

        None is what a click costs a bidder who buys every impression at the market price, the source's choice;
        ``distribution`` None is the environment's own. Raises TypeError or ValueError for another limit or actions that
        are no bid curves.
        """
        params = curve_params(env, params)
        distribution = env.market_distribution(params) if distribution is None else distribution
        if max_cost_per_click is None:
            return cls(jnp.mean(distribution.price) / jnp.mean(distribution.relative_rate))
        return cls(amount("max_cost_per_click", max_cost_per_click) * distribution.unit_rate)

    def bids(self, params: BidCurveParams) -> Array:
        return self.bid_at_unit_rate * knots(params)
