"""One bid for every impression."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.bid_curve import BidCurveEnvironment, FixedCurve, amount, curve_params, knots
from rtb_envs.policies.policy import BidCurveParams
from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class ConstantBid(FixedCurve):
    """b = ``bid``: "Const" of Zhang, Yuan and Wang, arXiv 1407.7073, 2014."""

    bid: Float[Array, ""]

    @classmethod
    def for_env(
        cls, env: BidCurveEnvironment, params: BidCurveParams | None = None, *, bid: float | None = None
    ) -> ConstantBid:
        """The rule with a bid in (0, 1e9] money units; None is the standard bid price.

        Raises TypeError or ValueError for another bid or an environment whose actions are no bid curves.
        """
        params = curve_params(env, params)
        return cls(amount("bid", float(params.standard_bid_price) if bid is None else bid))

    def bids(self, params: BidCurveParams) -> Array:
        return jnp.full_like(knots(params), self.bid)
