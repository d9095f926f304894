"""The numbers of an AdAuction market, and what is derived from them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.auctions.market_prices import MarketPrice
from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction.config import MAX_BID
from rtb_envs.envs.ad_auction.fitting import check_together, fitted, size_of
from rtb_envs.envs.ad_auction.laws import LawRanges, check_ranges, law_ranges, tabulated
from rtb_envs.pytrees import pytree
from rtb_envs.tracing import is_concrete
from rtb_envs.users.response import Response


@pytree
@dataclass(frozen=True)
class MarketShift:
    """How the price level moves over an episode, unseen by the bidder; see ``price_level``."""

    drift: Float[Array, ""]
    shock_factor: Float[Array, ""]
    shock_duration: Int[Array, ""]

    def price_level(
        self, t: Int[Array, ""], horizon: Int[Array, ""], drift_sign: Float[Array, ""], shock_step: Int[Array, ""]
    ) -> Float[Array, ""]:
        """What the law's price is multiplied by at step ``t``.

        (1 + drift * s * t / (T - 1)), times ``shock_factor`` in the ``shock_duration`` steps from ``shock_step`` on;
        s = +-1 and the shock's step are drawn once an episode.
        """
        trend = 1 + self.drift * drift_sign * t / jnp.maximum(horizon - 1, 1)
        shocked = (t >= shock_step) & (t < shock_step + self.shock_duration)
        return trend * jnp.where(shocked, self.shock_factor, 1)


@pytree
@dataclass(frozen=True)
class Derived:
    """Numbers that follow from the others; made by ``derive``, never set by hand."""

    market_price: MarketPrice
    click_rate: Response
    conversion_rate: Response
    mean_click_rate: Float[Array, ""]
    """Clicks per impression, over ads, users and steps; the predictor's mean where there is a predictor."""
    mean_conversion_rate: Float[Array, ""]
    """Conversions per impression, likewise."""
    ad_cumulative: Float[Array, "steps ads"] | None
    user_cumulative: Float[Array, "steps users"] | None


@pytree
@dataclass(frozen=True)
class Params:
    """Every number of the market; arrays over time have the static length ``max_horizon`` ("steps").

    Money is in the unit of the budget. Change numbers through ``replace``, which rebuilds ``derived``.
    """

    ad_features: Float[Array, "ads ad_features"]
    user_features: Float[Array, "users user_features"]
    horizon: Int[Array, ""]
    """Steps of an episode, at most ``max_horizon``."""
    initial_budget: Int[Array, ""]
    search_volume_mean: Float[Array, "steps"]
    search_volume_std: Float[Array, "steps"]
    minimum_search_volume: Float[Array, ""]
    ad_sampling_rate: Float[Array, "steps ads"] | None
    """Probability of each ad in each step, rows summing to 1; None is uniform."""
    user_sampling_rate: Float[Array, "steps users"] | None
    market_price: Any
    """A price law (``MarketPrice``), tabulated or not."""
    click_rate: Response
    conversion_rate: Response
    predicted_rate: Float[Array, "steps ads users"] | None
    """What the bidder believes the value of an impression to be; None is the truth."""
    shift: MarketShift
    standard_bid_price: Float[Array, ""]
    scaler: Float[Array, ""] | None
    """Factor of every bid; None makes the mean bid at multiplier 1 the standard bid price."""
    minimum_price: Float[Array, ""]
    reserve_price: Float[Array, ""]
    hybrid_weight: Float[Array, ""]
    target_cost_per_action: Float[Array, ""] | None
    multiplier_low: Float[Array, ""]
    multiplier_high: Float[Array, ""]
    action_meanings: Float[Array, "actions"] | None
    """The multiplier of each discrete action; None where actions are not discrete."""
    bid_curve_knots: Float[Array, "knots"] | None
    """The relative rates (predicted rate times scaler) at which a bid curve is given; None where actions are none."""
    derived: Derived | None = None

    @property
    def largest_bid(self) -> Float[Array, ""]:
        """The highest bid of a bid curve: the largest multiplier's at the last knot. Needs ``bid_curve_knots``."""
        assert self.bid_curve_knots is not None
        return jnp.minimum(self.multiplier_high * self.standard_bid_price * self.bid_curve_knots[-1], MAX_BID)

    def replace(self, **changes: Any) -> Params:
        """These parameters with some numbers changed and everything derived built anew.

        Each number takes the type and shape that it had; one volume serves every step and one row of sampling rates,
        which are normalised, every step. Raises ValueError or TypeError, naming the field, for what an option would be
        refused for: wrong shapes, numbers out of bounds or that do not fit each other, laws with rates outside [0, 1]
        or prices that are negative or not finite. Works under jit and vmap: numbers that are traced are clipped to
        their bounds, and what follows from them is not checked.
        """
        derived: Params
        if not is_concrete(self, changes):
            # Inside another program, whose compiler options hold.
            derived = jax.jit(derive)(self._changed(changes))
            return derived
        with jax.ensure_compile_time_eval():
            derived, ranges = _compiled_derive()(self._changed(changes))
            check_ranges(ranges)
        return derived

    def _changed(self, changes: dict[str, Any]) -> Params:
        changed = replace(self, **fitted(self, changes))
        check_together(changed)
        return changed


def derive(params: Params) -> Params:
    """``params`` with ``derived`` computed from the other fields; traceable, so it can be vmapped over markets."""
    return _derive(params)[0]


def _derive(params: Params) -> tuple[Params, LawRanges]:
    click, conversion = true_rates(params)
    believed = (click, click * conversion) if params.predicted_rate is None else (params.predicted_rate,) * 2
    derived = Derived(
        market_price=tabulated(params.market_price),
        click_rate=tabulated(params.click_rate),
        conversion_rate=tabulated(params.conversion_rate),
        mean_click_rate=_mean(believed[0], params),
        mean_conversion_rate=_mean(believed[1], params),
        ad_cumulative=_cumulative(params.ad_sampling_rate),
        user_cumulative=_cumulative(params.user_sampling_rate),
    )
    return replace(params, derived=derived), law_ranges(click, conversion, derived.market_price, size_of(params))


@functools.cache
def _compiled_derive() -> Any:
    return jit(_derive)


def true_rates(params: Params) -> tuple[Float[Array, "steps ads users"], Float[Array, "steps ads users"]]:
    """The click rate and the conversion rate (given a click) for every step, ad and user."""
    ad = jnp.arange(params.ad_features.shape[0])[:, None]
    user = jnp.arange(params.user_features.shape[0])
    shape = (ad.size, user.size)

    def one_step(t: Array) -> tuple[Array, Array]:
        click, conversion = (law.rate(ad, user, t) for law in (params.click_rate, params.conversion_rate))
        return jnp.broadcast_to(click, shape), jnp.broadcast_to(conversion, shape)

    rates: tuple[Array, Array] = jax.vmap(one_step)(jnp.arange(params.search_volume_mean.shape[0]))
    return rates


def _mean(rates: Array, params: Params) -> Array:
    """The mean of [steps, ads, users] over ads and users at their time-averaged sampling rates and steps evenly."""
    in_episode = (jnp.arange(rates.shape[0]) < params.horizon) / params.horizon
    ad_weight = _time_average(params.ad_sampling_rate, in_episode, rates.shape[1])
    user_weight = _time_average(params.user_sampling_rate, in_episode, rates.shape[2])
    return jnp.maximum(jnp.einsum("tau,t,a,u->", rates, in_episode, ad_weight, user_weight), 1e-12)


def _time_average(rate: Array | None, in_episode: Array, count: int) -> Array:
    return jnp.full(count, 1 / count) if rate is None else in_episode @ rate


def _cumulative(rate: Array | None) -> Array | None:
    return None if rate is None else jnp.cumsum(rate, axis=-1) / jnp.sum(rate, axis=-1, keepdims=True)
