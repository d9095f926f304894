"""A random bid, whatever the impression."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.bid_curve import BidCurveEnvironment, amount, curve_params, knots
from rtb_envs.policies.policy import BidCurveParams, bid_curve_action
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


@pytree
@dataclass(frozen=True)
class RandomBid:
    """b ~ U(0, ``highest_bid``): "Rand" of Zhang, Yuan and Wang, arXiv 1407.7073, 2014.

    Theirs draws for each auction, this one for each step, whose auctions share the bid.
    """

    highest_bid: Float[Array, ""]

    @classmethod
    def for_env(
        cls, env: BidCurveEnvironment, params: BidCurveParams | None = None, *, highest_bid: float | None = None
    ) -> RandomBid:
        """The rule with a bound in (0, 1e9] money units; None is twice the standard bid price.

        Raises TypeError or ValueError for another bound or an environment whose actions are no bid curves.
        """
        params = curve_params(env, params)
        return cls(amount("highest_bid", 2 * float(params.standard_bid_price) if highest_bid is None else highest_bid))

    def init(self, params: BidCurveParams) -> tuple[Array, Array]:
        return jnp.ones_like(knots(params)), jnp.asarray(params.largest_bid)

    def act(self, stream: Stream, carry: tuple[Array, Array], observation: Array) -> tuple[Array, tuple[Array, Array]]:
        ones, largest_bid = carry
        return bid_curve_action(self.highest_bid * stream.uniform() * ones, largest_bid), carry
