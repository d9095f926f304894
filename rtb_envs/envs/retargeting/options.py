"""What a user may set of a Retargeting market, checked once, and turned into a configuration and parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import betaincinv

from rtb_envs import validation
from rtb_envs.auctions.mechanisms import Pricing
from rtb_envs.envs.retargeting.config import HIGHEST_BID, MAX_HORIZON, MAX_TOTAL_BUDGET, UNITS, Config
from rtb_envs.envs.retargeting.params import Params, ResponseParams, episode_hours, step_hours
from rtb_envs.random import Generator
from rtb_envs.users.attribution import WINDOW_HOURS, Attribution
from rtb_envs.users.context_pool import default_pool
from rtb_envs.users.fatigue import FLOOR, HALF_LIFE_HOURS, RATE

DEFAULT_OPPORTUNITIES = 20_000
EPISODE_HOURS = 367.0
"""Of traffic at the day's mean: 15.3 days for the default number of opportunities."""
GROWTHS = 1e-3, 1e3
"""Of a dollar's weight, from the whole budget to none."""
QUANTILES = 4096
"""Equally likely values that stand for a law."""


@dataclass(frozen=True)
class Options:
    """Every option of Retargeting. Wrong values raise ValueError or TypeError naming the field. Money is in dollars."""

    num_agents: int = 4
    num_customers: int = 10_000
    opportunities_per_step: int = 1
    horizon: int = DEFAULT_OPPORTUNITIES
    """Opportunities of an episode, a multiple of ``opportunities_per_step``."""
    initial_budget: Any = 1500.0
    """A number or [num_agents]."""
    # The auction
    pricing: Pricing = "second_price"
    reserve_price: float = 0.05
    increment: float = 0.01
    hybrid_weight: float = 0.5
    """Share of the first price under "hybrid"."""
    surcharge_rate: float = 0.015
    # Curriculum
    complexity: float = 1.0
    drift: float = 0.2
    # Customers and response
    context_ctr: Any = None
    """Predicted click rates of the impression contexts; None: those of the default pool, mean .17."""
    ad_effect: float = 0.1
    """lambda: how much an exposure raises purchases that follow no click, the planted causal effect."""
    mean_revenue: float = 50.0
    attribution: Attribution = "last"
    touches: int = 8
    alliance: Any = None
    reward_weights: Any = (1.0, 0.1, 0.05, 0.05, 0.1)
    """Of profit, conversion, acquisition cost, win share, profit share: five for all, or a row for each agent."""
    spend_weight: Any = 1.0
    """What a dollar spent counts in the reward's profit, one number or one for each agent: above 1 it is a shadow price
    of the budget, which tells a learner of a short horizon what else the dollar could buy."""
    spend_weight_growth: Any = 1.0
    """How many times as much the last dollar of the budget counts as the first, one number or one for each agent; in
    between the weight grows exponentially (``accounting.dollar_weight``). What is reported of profits is unweighted."""
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        number = validation.number
        self.config()
        validation.integer("horizon", self.horizon, 1, MAX_HORIZON)
        if self.horizon % self.opportunities_per_step:
            allowed = f"a multiple of opportunities_per_step, {self.opportunities_per_step}"
            raise validation.wrong_value("horizon", allowed, self.horizon)
        number("reserve_price", self.reserve_price, 0, HIGHEST_BID)
        number("increment", self.increment, 1 / UNITS, HIGHEST_BID)
        number("hybrid_weight", self.hybrid_weight, 0, 1)
        number("surcharge_rate", self.surcharge_rate, 0, 0.02)
        number("complexity", self.complexity, 0, 1)
        number("drift", self.drift, 0, 1)
        number("ad_effect", self.ad_effect, 0, 10)
        number("mean_revenue", self.mean_revenue, 0, 500, open_low=True)

    def config(self) -> Config:
        """The static part."""
        alliance = tuple(self.alliance) if isinstance(self.alliance, list) else self.alliance
        return Config(
            num_agents=self.num_agents,
            num_customers=self.num_customers,
            opportunities_per_step=self.opportunities_per_step,
            pricing=self.pricing,
            attribution=self.attribution,
            touches=self.touches,
            alliance=alliance,
            generator=self.generator,
        )

    def params(self) -> Params:
        """The numbers."""
        horizon = jnp.asarray(self.horizon, jnp.int32)
        hours = step_hours(EPISODE_HOURS / DEFAULT_OPPORTUNITIES)
        params = Params(
            horizon=horizon,
            step_hours=hours,
            end_hours=episode_hours(horizon, hours),
            initial_budget=jnp.asarray(self._budgets(), jnp.int32),
            reserve_price=_units(self.reserve_price),
            increment=_units(self.increment),
            hybrid_weight=_float(self.hybrid_weight),
            surcharge_rate=_float(self.surcharge_rate),
            stage_mix=_float([0.40, 0.25, 0.20, 0.10, 0.03, 0.02]),
            mean_idle_hours=_float(184),
            response=self._response(),
            reward_weights=self._of_agents("reward_weights", (5,)),
            spend_weight=self._of_agents("spend_weight", ()),
            spend_weight_growth=self._of_agents("spend_weight_growth", (), *GROWTHS),
            realism=_float(1),
            transitions=jnp.asarray(True),
            drift=_float(self.drift),
            active=jnp.ones(self.num_agents, bool),
            shown=jnp.ones(self.num_agents, bool),
        )
        return params.at_complexity(self.complexity).replace(active=params.active)

    def _response(self) -> ResponseParams:
        return ResponseParams(
            context_ctr=_float(self._contexts()),
            ctr_factor=_float([0.8, 1.2, 1.5, 0.9, 1.1, 1.3]),
            ctr_per_intensity=_float(0.05),
            ctr_cap=_float(0.95),
            ctr_noise=_float(0.2),
            fatigue_floor=_float(FLOOR),
            fatigue_rate=_float(RATE),
            fatigue_half_life_hours=_float(HALF_LIFE_HOURS),
            conversion_quantiles=_float(_beta_quantiles(2, 8, QUANTILES)),
            cvr_factor=_float([1, 1, 2, 1, 1, 1.5]),
            mean_revenue=_float(self.mean_revenue),
            revenue_sigma=_float(0.5),
            revenue_factor=_float([1, 1, 1, 1, 1.5, 2]),
            cart_probability=_float(0.25),
            cart_low=_float(10),
            cart_high=_float(150),
            organic_probability=_float([0.002, 0.004, 0.010, 0.004, 0.006, 0.002]),
            ad_effect=_float(self.ad_effect),
            ad_effect_hours=_float(168),
            attribution_hours=_float(WINDOW_HOURS),
            margin=_float(0.3),
            leaving_probability=_float(0.15),
        )

    def _contexts(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        if self.context_ctr is None:
            return np.asarray(default_pool().ctr, np.float64)
        shape = np.shape(self.context_ctr)
        if len(shape) != 1 or not 1 <= shape[0] <= 2**20:
            raise validation.wrong_value("context_ctr", "a list of 1 to 2**20 click rates", self.context_ctr)
        return validation.array("context_ctr", self.context_ctr, [shape], 0, 0.99)

    def _of_agents(self, name: str, shape: tuple[int, ...], low: float = 0, high: float = 100) -> Array:
        """An option of ``shape`` for all or for each agent, as it is for each; its numbers are in [low, high]."""
        each = (self.num_agents, *shape)
        return _float(np.broadcast_to(validation.array(name, getattr(self, name), [shape, each], low, high), each))

    def _budgets(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        shapes = [(), (self.num_agents,)]
        budgets = np.broadcast_to(
            validation.array("initial_budget", self.initial_budget, shapes, 0, MAX_TOTAL_BUDGET), (self.num_agents,)
        )
        if budgets.sum() > MAX_TOTAL_BUDGET:
            allowed = f"at most {MAX_TOTAL_BUDGET} in sum over the agents"
            raise ValueError(f"initial_budget must be {allowed}, got {budgets.sum():g}")
        return np.round(budgets * UNITS)


def option_names() -> tuple[str, ...]:
    """The names of the options."""
    return tuple(field.name for field in fields(Options))


def _beta_quantiles(a: float, b: float, size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The Beta(a, b) law's quantiles at the middles of ``size`` equal parts."""
    middles = (np.arange(size) + 0.5) / size
    return np.asarray(betaincinv(a, b, middles))


def _units(dollars: float) -> jax.Array:
    return jnp.asarray(math.ceil(round(dollars * UNITS, 6)), jnp.int32)


def _float(value: Any) -> jax.Array:
    return jnp.asarray(value, float)
