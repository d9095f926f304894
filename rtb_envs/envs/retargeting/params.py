"""The numbers of a Retargeting market, and what a policy in one of its seats is told of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.replacing import SHARE, Range, fitted, fitted_part, known_fields, ordered
from rtb_envs.envs.retargeting.config import (
    HIGHEST_BID,
    MAX_HORIZON,
    MAX_TOTAL_BUDGET,
    MOST_REVENUE,
    SHORT_HORIZON,
    UNITS,
)
from rtb_envs.multi_agent import SeatParams
from rtb_envs.pytrees import pytree
from rtb_envs.tracing import is_concrete
from rtb_envs.users.traffic import HOUR_WEIGHTS

SCRIPTED_RIVALS_AT_FULL_COMPLEXITY = 3
STAGES_FROM_COMPLEXITY = 0.5
_PRICE = Range(0, HIGHEST_BID * UNITS)
_WEIGHT = Range(0, 100)
_HOURS = Range(0, 1e6)
RANGES = {
    "horizon": Range(1, MAX_HORIZON),
    "step_hours": Range(0, 1e4, open_low=True),
    "initial_budget": Range(0, MAX_TOTAL_BUDGET * UNITS),
    "reserve_price": _PRICE,
    "increment": Range(1, HIGHEST_BID * UNITS),
    "hybrid_weight": SHARE,
    "surcharge_rate": Range(0, 0.02),
    "stage_mix": SHARE,
    "mean_idle_hours": Range(0, 1e6, open_low=True),
    "reward_weights": _WEIGHT,
    "spend_weight": _WEIGHT,
    "realism": SHARE,
    "drift": SHARE,
}
"""What the market's numbers may be."""
RESPONSE_RANGES = {
    "context_ctr": Range(0, 0.99),
    "ctr_factor": Range(0, 100),
    "ctr_per_intensity": Range(0, 100),
    "ctr_cap": SHARE,
    "ctr_noise": Range(0, 10),
    "fatigue_floor": SHARE,
    "fatigue_rate": Range(0, 1e3),
    "fatigue_half_life_hours": Range(0, 1e6, open_low=True),
    "conversion_quantiles": SHARE,
    "cvr_factor": Range(0, 100),
    "mean_revenue": Range(0, 500, open_low=True),
    "revenue_sigma": Range(0, 10),
    "revenue_factor": Range(0, 10),
    "cart_probability": SHARE,
    "cart_low": Range(0, 1e6),
    "cart_high": Range(0, 1e6),
    "organic_probability": SHARE,
    "ad_effect": Range(0, 10),
    "ad_effect_hours": _HOURS,
    "attribution_hours": _HOURS,
    "margin": SHARE,
    "leaving_probability": SHARE,
}
"""What those of the customers' response may be."""
_LISTS = ("context_ctr", "conversion_quantiles")
"""Equally likely values, as many as one likes."""


@pytree
@dataclass(frozen=True)
class ResponseParams:
    """How customers respond; arrays over the six stages in the order of ``users.lifecycle.Stage``."""

    context_ctr: Float[Array, "contexts"]
    """Predicted click rate of each impression context; a context is drawn evenly."""
    ctr_factor: Float[Array, "stages"]
    ctr_per_intensity: Float[Array, ""]
    """The click rate is multiplied by 1 + this times the intensity,"""
    ctr_cap: Float[Array, ""]
    """and never exceeds this."""
    ctr_noise: Float[Array, ""]
    """Standard deviation of the true click rate's logit around the predicted one."""
    fatigue_floor: Float[Array, ""]
    fatigue_rate: Float[Array, ""]
    fatigue_half_life_hours: Float[Array, ""]
    conversion_quantiles: Float[Array, "quantiles"]
    """Equally likely values of a customer's conversion probability."""
    cvr_factor: Float[Array, "stages"]
    mean_revenue: Float[Array, ""]
    """Dollars of a purchase,"""
    revenue_sigma: Float[Array, ""]
    """its standard deviation in the logarithm,"""
    revenue_factor: Float[Array, "stages"]
    """and what the stage multiplies it with."""
    cart_probability: Float[Array, ""]
    """Of a click without a conversion."""
    cart_low: Float[Array, ""]
    cart_high: Float[Array, ""]
    """Dollars added to the cart then: even between these."""
    organic_probability: Float[Array, "stages"]
    """Of a purchase that no click leads to, at each opportunity;"""
    ad_effect: Float[Array, ""]
    """lambda: an exposure in the last days multiplies it by 1 + this."""
    ad_effect_hours: Float[Array, ""]
    attribution_hours: Float[Array, ""]
    """Clicks older than this are credited with nothing."""
    margin: Float[Array, ""]
    leaving_probability: Float[Array, ""]
    """After each opportunity; a fresh customer takes the place."""


@pytree
@dataclass(frozen=True)
class Params:
    """Every number of the market. Budgets and prices count money units (see ``config.UNITS``)."""

    horizon: Int[Array, ""]
    """Opportunities of an episode."""
    step_hours: Float[Array, "24"]
    """Hours between two opportunities, by hour of the day."""
    end_hours: Float[Array, ""]
    """When the last opportunity has passed: follows from the two above, see ``replace``."""
    initial_budget: Int[Array, "agents"]
    reserve_price: Int[Array, ""]
    increment: Int[Array, ""]
    """Above the second bid or the reserve price."""
    hybrid_weight: Float[Array, ""]
    surcharge_rate: Float[Array, ""]
    """Surcharge of intensity i: price times this times (i - 1)**2."""
    stage_mix: Float[Array, "stages"]
    """Shares of the stages when an episode begins."""
    mean_idle_hours: Float[Array, ""]
    response: ResponseParams
    reward_weights: Float[Array, "agents 5"]
    spend_weight: Float[Array, "agents"]
    """What a dollar spent counts in the reward's profit while the budget is whole,"""
    spend_weight_growth: Float[Array, "agents"]
    """and what that is multiplied with by the time that all of it is spent (``accounting.dollar_weight``)."""
    realism: Float[Array, ""]
    """s in [0, 1]: scale of fatigue, noise and delay."""
    transitions: Bool[Array, ""]
    """Whether customers move between stages."""
    drift: Float[Array, ""]
    """By the episode's end click rates have grown or shrunk by this share times s, at random."""
    active: Bool[Array, "agents"]
    """Who takes part at all; the others have left when the episode begins."""
    shown: Bool[Array, "agents"]
    """Whose ads are shown. An agent that is masked here bids, wins and pays, and customers see nothing: a ghost ad."""

    def replace(self, **changes: Any) -> Params:
        """These parameters with some numbers changed, each in the type and shape that it had.

        Names of ``ResponseParams`` are found there; one number serves every agent or stage. Raises TypeError or
        ValueError, naming the field, for what an option would be refused for. Works under jit and vmap: numbers that
        are traced are clipped to their ranges, and what they have to do with each other is not checked.
        """
        inner = {name: changes.pop(name) for name in list(changes) if name in ResponseParams.__dataclass_fields__}
        known_fields(self, changes, but=("end_hours",))
        response = self.response
        if "response" in changes:
            response = fitted_part("response", changes.pop("response"), response, RESPONSE_RANGES, lists=_LISTS)
        response = replace(response, **fitted(response, inner, RESPONSE_RANGES, lists=_LISTS))
        changed = replace(self, response=response, **fitted(self, changes, RANGES))
        _check_together(changed)
        if {"horizon", "step_hours"} & set(changes):
            return replace(changed, end_hours=episode_hours(changed.horizon, changed.step_hours))
        return changed

    def at_complexity(self, complexity: float | Array, drift: float | Array | None = None, *, agent: int = 0) -> Params:
        """The same market at another point of a curriculum; no compiled program changes.

        ``complexity`` c in [0, 1] sets s = clip((c - .3) / .7, 0, 1), lets customers move between stages from .5 on,
        and keeps ``agent``, the learner, and the first round(3 c) others; from 1 on all of them. ``drift`` is kept
        where it is None.
        """
        c = jnp.asarray(complexity, float)
        rivals = jnp.round(SCRIPTED_RIVALS_AT_FULL_COMPLEXITY * c)
        agents = jnp.arange(self.active.shape[-1])
        # The learner is 0, the others are 1, 2 and so on.
        places = jnp.where(agents == agent, 0, agents + (agents < agent))
        return self.replace(
            realism=jnp.clip((c - 0.3) / 0.7, 0, 1),
            transitions=c >= STAGES_FROM_COMPLEXITY,
            active=(places <= rivals) | (c >= 1),
            drift=self.drift if drift is None else jnp.asarray(drift, float),
        )


def _check_together(params: Params) -> None:
    """Raise ValueError for numbers that do not fit each other; those that are traced are not looked at."""
    if is_concrete(params.stage_mix) and abs((total := float(np.sum(np.asarray(params.stage_mix)))) - 1) > 1e-3:
        raise ValueError(f"stage_mix must hold shares that sum to 1, got a sum of {total:g}")
    _check_sums(params)
    if is_concrete(params.initial_budget):
        units = np.sum(np.asarray(params.initial_budget), dtype=np.int64)
        if units > MAX_TOTAL_BUDGET * UNITS:
            allowed = f"at most {MAX_TOTAL_BUDGET * UNITS} money units in sum over the agents"
            raise ValueError(f"initial_budget must be {allowed}, got {units}")
    ordered(params.response, "cart_low", "cart_high")


def _check_sums(params: Params) -> None:
    """Raise ValueError where an episode's revenue or its lifetime values might not fit into int32, in cents.

    Looked at is what is expected at most: with every click rate at its cap, and customers who always are in the stages
    of the highest conversion rate and revenue, have bought five times before and buy at each visit until they leave.
    """
    laws = params.response
    if not is_concrete(params.horizon, laws):
        return
    clicks = float(laws.ctr_cap) * float(np.minimum(laws.conversion_quantiles * np.max(laws.cvr_factor), 1).mean())
    organic = float(np.max(laws.organic_probability)) * (1 + float(laws.ad_effect))
    leaving = 0.9 * float(laws.leaving_probability)
    lifetime_value = 12 * float(laws.margin) * (1 - 0.9**5 * leaving / (0.1 + leaving))
    share = min(clicks + organic, 1) * float(np.max(laws.revenue_factor)) * max(lifetime_value, 1)
    # In shorter episodes it is the window's profits, in finer units, that have to fit.
    times = max(int(params.horizon), SHORT_HORIZON) * share
    revenue = float(laws.mean_revenue)
    if times * revenue > MOST_REVENUE:
        allowed = math.floor(100 * MOST_REVENUE / times) / 100
        raise ValueError(
            f"mean_revenue must be at most {allowed:g} for a horizon of {int(params.horizon)} and customers who buy so "
            f"often, or sums of revenue might overflow, got {revenue:g}"
        )


def step_hours(hours_per_opportunity: float) -> Float[Array, "24"]:
    """Hours between opportunities in each hour of the day: the mean over the traffic of that hour."""
    return jnp.asarray([hours_per_opportunity / weight for weight in HOUR_WEIGHTS], float)


def hour_of_day(hours: Float[Array, ""]) -> Int[Array, ""]:
    """The hour of the day (0 to 23) at ``hours`` since the first midnight."""
    whole = jnp.floor(hours).astype(jnp.int32)
    return whole % 24


def episode_hours(horizon: Int[Array, ""], step_hours: Float[Array, "24"]) -> Float[Array, ""]:
    """When the last of ``horizon`` opportunities has passed, in hours since the beginning."""

    def tick(_: Any, hours: Array) -> Array:
        return hours + step_hours[hour_of_day(hours)]

    hours: Array = lax.fori_loop(0, horizon, tick, jnp.zeros((), float))
    return hours


@pytree
@dataclass(frozen=True)
class AdvertiserParams(SeatParams[Params]):
    """The market's numbers as the policy of one advertiser reads them (``policies.retargeting.RetargetingParams``)."""

    @property
    def opportunities(self) -> Int[Array, ""]:
        """Of an episode."""
        return self.market.horizon

    @property
    def ctr_factor(self) -> Float[Array, "stages"]:
        """Of the click rate, by stage."""
        return self.market.response.ctr_factor

    @property
    def ctr_per_intensity(self) -> Float[Array, ""]:
        """Growth of the click rate with each unit of intensity."""
        return self.market.response.ctr_per_intensity

    @property
    def ctr_cap(self) -> Float[Array, ""]:
        """The highest click rate."""
        return self.market.response.ctr_cap

    @property
    def cvr_factor(self) -> Float[Array, "stages"]:
        """Of the conversion probability, by stage."""
        return self.market.response.cvr_factor

    @property
    def expected_revenue(self) -> Float[Array, "stages"]:
        """Dollars of a purchase, by stage."""
        return self.market.response.mean_revenue * self.market.response.revenue_factor
