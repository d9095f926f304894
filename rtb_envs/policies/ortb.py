"""Optimal real-time bidding: the concave bid functions that follow from two models of the win probability."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.compile import jit
from rtb_envs.policies.bid_curve import (
    BidCurveEnvironment,
    FixedCurve,
    amount,
    curve_params,
    expected_auctions,
    knots,
)
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.policies.policy import BidCurveParams
from rtb_envs.pytrees import pytree

WinModel = Literal["reciprocal", "quadratic"]
HALVINGS = 60
_NUM_CANDIDATES = 400


def ortb_bid(value: ArrayLike, dual: ArrayLike, scale: ArrayLike, win_model: WinModel) -> Float[Array, "*batch"]:
    """The bid that maximises value * w(b) - dual * b * w(b): Zhang, Yuan and Wang, KDD 2014.

    ORTB1, w(b) = b / (c + b): b = sqrt(c * value / dual + c**2) - c. ORTB2, w(b) = b**2 / (c**2 + b**2):
    b = c * (k**(1/3) - k**(-1/3)), k = (value + sqrt(c**2 * dual**2 + value**2)) / (c * dual). ``scale`` is c > 0, the
    bid that wins every second auction; ``dual`` > 0 is the price of money.
    """
    value, dual, c = (jnp.asarray(number) for number in (value, dual, scale))
    if win_model == "reciprocal":
        return jnp.sqrt(c * value / dual + c**2) - c
    root = jnp.cbrt((value + jnp.sqrt(c**2 * dual**2 + value**2)) / (c * dual))
    return c * (root - 1 / root)


def fitted_scale(price: ArrayLike, win_model: WinModel) -> float:
    """c of the win model nearest to the distribution of equally likely prices, in least squares over the prices."""
    price = np.sort(np.asarray(price, np.float64))
    share_below = (np.arange(price.size) + 0.5) / price.size
    c = np.geomspace(max(price[0], 1e-6 * price[-1], 1e-9), max(price[-1], 1e-9), _NUM_CANDIDATES)[:, None]
    model = price / (c + price) if win_model == "reciprocal" else price**2 / (c**2 + price**2)
    return float(c[((model - share_below) ** 2).mean(axis=1).argmin(), 0])


@pytree
@dataclass(frozen=True)
class ORTB(FixedCurve):
    """Bids by ``ortb_bid`` on the relative rate, at the dual at which the budget is expected to be spent."""

    dual: Float[Array, ""]
    scale: Float[Array, ""]
    win_model: WinModel = field(metadata={"static": True})

    @classmethod
    def for_env(
        cls,
        env: BidCurveEnvironment,
        params: BidCurveParams | None = None,
        *,
        win_model: WinModel = "reciprocal",
        spend_target: float = 1.0,
        distribution: MarketDistribution | None = None,
    ) -> ORTB:
        """The rule whose expected spend is ``spend_target`` in (0, 1e9] budgets, or whatever the largest bids spend.

        "reciprocal" is ORTB1, "quadratic" ORTB2. c is fitted to the prices of ``distribution`` (None is the
        environment's own) and the dual found by bisection on what its prices would charge. Raises TypeError or
        ValueError for other settings or actions that are no bid curves.
        """
        params = curve_params(env, params)
        validation.choice("win_model", win_model, get_args(WinModel))
        distribution = env.market_distribution(params) if distribution is None else distribution
        scale = jnp.float32(fitted_scale(distribution.price, win_model))
        num_auctions = jnp.sum(expected_auctions(params))
        spend = amount("spend_target", spend_target) * params.initial_budget / num_auctions
        return cls(_compiled_dual()(scale, spend, distribution, win_model), scale, win_model)

    def bids(self, params: BidCurveParams) -> Array:
        return ortb_bid(knots(params), self.dual, self.scale, self.win_model)


@functools.cache
def _compiled_dual() -> Any:
    return jit(_dual, static_argnums=3)


def _dual(scale: Array, spend: Array, distribution: MarketDistribution, win_model: WinModel) -> Array:
    """The dual at which an auction is expected to cost ``spend``, within exp(+-20) / ``scale``."""

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        bid = ortb_bid(distribution.relative_rate, jnp.exp(middle) / scale, scale, win_model)
        overspends = jnp.mean(distribution.expected_charge(bid)) > spend
        return jnp.where(overspends, middle, low), jnp.where(overspends, high, middle)

    _, high = jax.lax.fori_loop(0, HALVINGS, halve, (jnp.float32(-20), jnp.float32(20)))
    return jnp.exp(high) / scale
