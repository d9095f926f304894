"""Bids below value, where a winner pays its own bid."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.bid_curve import BidCurveEnvironment, FixedCurve, amount, curve_params, knots
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.policies.policy import BidCurveParams
from rtb_envs.pytrees import pytree


def shaded_bid(
    value: Float[Array, "*batch"], dual: Float[Array, ""], distribution: MarketDistribution
) -> Float[Array, "*batch"]:
    """argmax over b of (value - (1 + dual) * b) * F(b), F the distribution of market prices; 0 where that is no gain.

    Whole bids just above each price are tried: between two prices a higher bid wins nothing more.
    """
    bid = jnp.floor(distribution.price) + 1
    gain = (value[..., None] - (1 + dual) * bid) * distribution.win_probability(bid)
    best = jnp.argmax(gain, axis=-1)
    return jnp.where(jnp.max(gain, axis=-1) > 0, bid[best], 0.0)


@pytree
@dataclass(frozen=True)
class BidShading(FixedCurve):
    """b = argmax (v - b) * F(b) with the empirical F: the non-parametric shading of a first-price auction.

    The expected surplus that Gligorijevic et al. (CIKM 2020) and Zhou et al. (KDD 2021) maximise with models of F. The
    value is v = ``value_multiplier`` * standard bid price * relative rate; the budget is not looked at.
    """

    value_multiplier: Float[Array, ""]
    distribution: MarketDistribution

    @classmethod
    def for_env(
        cls,
        env: BidCurveEnvironment,
        params: BidCurveParams | None = None,
        *,
        value_multiplier: float = 1.0,
        distribution: MarketDistribution | None = None,
    ) -> BidShading:
        """The rule with ``value_multiplier`` in (0, 1e9]; ``distribution`` None is the environment's own.

        Raises TypeError or ValueError for another number or actions that are no bid curves.
        """
        params = curve_params(env, params)
        distribution = env.market_distribution(params) if distribution is None else distribution
        return cls(amount("value_multiplier", value_multiplier), distribution)

    def bids(self, params: BidCurveParams) -> Array:
        value = self.value_multiplier * params.standard_bid_price * knots(params)
        return shaded_bid(value, jnp.float32(0), self.distribution)
