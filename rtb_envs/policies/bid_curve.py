"""What rules share that act by a bid curve: what they are built from, and the curve that never changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.policies.policy import BidCurveParams, ObservationKeys, bid_curve_action, check_multipliers
from rtb_envs.random import Stream

LARGEST_SETTING = 1e9


class BidCurveEnvironment(Protocol):
    """What a bid-curve rule is built from."""

    @property
    def config(self) -> ObservationKeys:
        """The environment's static configuration."""

    @property
    def default_params(self) -> Any:
        """The market as configured (``BidCurveParams``)."""

    def market_distribution(self, params: Any) -> MarketDistribution:
        """What logs of earlier episodes tell of prices and rates."""


def curve_params(env: BidCurveEnvironment, params: BidCurveParams | None) -> BidCurveParams:
    """``params``, or the environment's own; TypeError without bid multipliers, ValueError without bid curves."""
    chosen: BidCurveParams = env.default_params if params is None else params
    check_multipliers(chosen)
    if getattr(chosen, "bid_curve_knots", None) is None:
        raise ValueError('action_kind must be "bid_curve" for a rule that acts by a bid curve')
    return chosen


def knots(params: BidCurveParams) -> Float[Array, "knots"]:
    """The relative rates of the curve."""
    return jnp.asarray(params.bid_curve_knots, jnp.float32)


def amount(name: str, value: float) -> Float[Array, ""]:
    """A rule's number in (0, 1e9], as a leaf; TypeError or ValueError for another one."""
    return jnp.asarray(validation.number(name, value, 0, LARGEST_SETTING, open_low=True), jnp.float32)


def expected_auctions(params: BidCurveParams) -> Float[Array, "steps"]:
    """Mean number of auctions of each step, 0 after the horizon."""
    volume = jnp.asarray(params.search_volume_mean, jnp.float32)
    counted: Array = jnp.where(jnp.arange(volume.shape[0]) < params.horizon, volume, 0.0)
    return counted


class FixedCurve(ABC):
    """A rule that takes part in every auction by the same curve in every step: ``bids`` is the rule."""

    @abstractmethod
    def bids(self, params: BidCurveParams) -> Float[Array, "knots"]:
        """The bid at each knot; need not be within the market's range."""

    def init(self, params: BidCurveParams) -> Array:
        return bid_curve_action(self.bids(params), params.largest_bid)

    def act(self, stream: Stream, carry: Array, observation: Array) -> tuple[Array, Array]:
        return carry, carry
