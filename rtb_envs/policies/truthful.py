"""Bids what the impression is worth."""

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
class Truthful(FixedCurve):
    """b = v, the value of an action (click or conversion) times its predicted rate.

    The dominant strategy of a second-price auction without a budget (Vickrey, Journal of Finance 16(1), 1961).
    """

    bid_at_unit_rate: Float[Array, ""]
    """``action_value`` times the predicted rate at relative rate 1."""

    @classmethod
    def for_env(
        cls,
        env: BidCurveEnvironment,
        params: BidCurveParams | None = None,
        *,
        action_value: float | None = None,
        distribution: MarketDistribution | None = None,
    ) -> Truthful:
        """The rule for actions worth ``action_value`` in (0, 1e9] money units.

        None makes an impression of relative rate 1 worth the standard bid price; ``distribution`` None is the
        environment's own. Raises TypeError or ValueError for another value or actions that are no bid curves.
        """
        params = curve_params(env, params)
        if action_value is None:
            return cls(jnp.float32(params.standard_bid_price))
        distribution = env.market_distribution(params) if distribution is None else distribution
        return cls(amount("action_value", action_value) * distribution.unit_rate)

    def bids(self, params: BidCurveParams) -> Array:
        return self.bid_at_unit_rate * knots(params)
