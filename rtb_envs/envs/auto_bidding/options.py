"""What a user may set of an AutoBidding market, checked once, and turned into a configuration and parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import validation
from rtb_envs.envs.auto_bidding.config import (
    GROUP,
    MAX_AGENTS,
    MAX_BID,
    MAX_OPPORTUNITIES,
    MAX_TOTAL_BUDGET,
    MAX_WINDOW,
    OBSERVATION_KEYS,
    UNITS,
    Config,
    Objective,
)
from rtb_envs.envs.auto_bidding.params import LARGEST_MULTIPLIER, LARGEST_TARGET, RANGES, VALUE_RANGES, Params, ValueLaw
from rtb_envs.random import Generator
from rtb_envs.users.traffic import hour_weights

FULL_SIZE = 500_000
"""Opportunities of an AuctionNet day."""
FULL_SIZE_VALUE = 0.0005
"""Mean value there."""
# AuctionNet's 48 advertisers (Su et al., NeurIPS 2024, published code): budgets and CPA constraints in currency.
BUDGETS = (
    *(2900, 4350, 3000, 2400, 4800, 2000, 2050, 3500, 4600, 2000, 2800, 2350, 2050, 2900, 4750, 3450),
    *(2000, 3500, 2200, 2700, 3100, 2100, 4850, 4100, 2000, 4800, 3050, 4250, 2850, 2250, 2000, 3900),
    *(2000, 3250, 4450, 3550, 2700, 2100, 4650, 2000, 3400, 2650, 2300, 4100, 4800, 4450, 2000, 2050),
)
TARGETS = (
    *(100, 70, 90, 110, 60, 130, 120, 80, 70, 130, 100, 110, 120, 90, 60, 80),
    *(130, 80, 110, 100, 90, 120, 60, 70, 120, 60, 90, 70, 100, 110, 130, 80),
    *(120, 90, 70, 80, 100, 110, 60, 130, 90, 100, 110, 80, 60, 70, 130, 120),
)


@dataclass(frozen=True)
class Options:
    """Every option of AutoBidding. Wrong values raise ValueError or TypeError naming the field.

    Arrays may be NumPy or JAX arrays or nested lists. Money is in currency and kept in 1/10,000 of it.
    """

    num_agents: int = 48
    num_categories: int | None = None
    """Bidders 0 .. n/c - 1 are of the first category, and so on; None has one for every eight bidders."""
    horizon: int = 48
    """Ticks of an episode."""
    num_opportunities: int = 12_000
    """Of an episode; AuctionNet's day has 500,000."""
    day_curve: bool = True
    """Spread the opportunities over the ticks as the hours of a day do."""
    traffic_spread: float = 0.4
    """Traffic of each four ticks differs by up to this share between episodes."""
    # The bidders
    initial_budget: Any = None
    """A number or [num_agents]; None is AuctionNet's 2,000 to 4,850, in turn."""
    target_cost_per_action: Any = None
    """A number or [num_agents]; None is AuctionNet's 60 to 130, in turn."""
    objective: Objective = "score"
    """"score" takes off the return what it loses for a missed target, "conversion" does not."""
    # Values
    value_mean: float | None = None
    """Mean conversion probability of an exposed opportunity; None keeps that of a day's opportunities together at
    AuctionNet's 250, so that budgets and targets mean the same at any size."""
    category_spread: float = 0.7
    agent_spread: float = 0.5
    value_deviation: float = 0.5
    """Relative standard deviation over opportunities, on average over bidders."""
    uncertainty: float = 0.15
    """Relative uncertainty of predicted values, on average over bidders."""
    # The auction
    exposure: Any = (1.0, 0.8, 0.6)
    """[slots]: probability that a slot is shown if the slot before it is."""
    reserve_price: float = 0.0001
    """Least price, in currency; rounded up to whole money units."""
    # The interface
    multiplier_low: float = 1.0
    multiplier_high: float = 500.0
    observation_keys: Any = OBSERVATION_KEYS
    # Compilation
    window: int | None = None
    """Opportunities computed at once; None fits the traffic."""
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        integer, number = validation.integer, validation.number
        integer("num_agents", self.num_agents, 2, MAX_AGENTS)
        if self.num_categories is not None:
            integer("num_categories", self.num_categories, 1, self.num_agents)
        integer("horizon", self.horizon, 1, 100_000)
        integer("num_opportunities", self.num_opportunities, self.horizon, MAX_OPPORTUNITIES)
        validation.boolean("day_curve", self.day_curve)
        number("traffic_spread", self.traffic_spread, *RANGES["traffic_spread"][:2])
        if self.value_mean is not None:
            number("value_mean", self.value_mean, 0, 1, open_low=True)
        number("category_spread", self.category_spread, *VALUE_RANGES["category_spread"][:2])
        number("agent_spread", self.agent_spread, *VALUE_RANGES["agent_spread"][:2])
        number("value_deviation", self.value_deviation, 0, 1, open_low=True)
        number("uncertainty", self.uncertainty, 0, 1)
        number("reserve_price", self.reserve_price, 0, MAX_BID / UNITS)
        number("multiplier_low", self.multiplier_low, 0, LARGEST_MULTIPLIER)
        number("multiplier_high", self.multiplier_high, self.multiplier_low, LARGEST_MULTIPLIER, open_low=True)

    def config(self) -> Config:
        """The static part."""
        keys = self.observation_keys
        return Config(
            num_agents=self.num_agents,
            num_slots=self._exposure().size,
            max_horizon=self.horizon,
            window=self._fitting_window() if self.window is None else self.window,
            objective=self.objective,
            observation_keys=tuple(keys) if isinstance(keys, list) else keys,
            generator=self.generator,
        )

    def params(self) -> Params:
        """The numbers."""
        mean = FULL_SIZE * FULL_SIZE_VALUE / self.num_opportunities if self.value_mean is None else self.value_mean
        return Params(
            horizon=jnp.asarray(self.horizon, jnp.int32),
            num_opportunities=_float(self.num_opportunities),
            traffic_weight=_float(self._weights()),
            traffic_spread=_float(self.traffic_spread),
            traffic_window=jnp.asarray(4, jnp.int32),
            initial_budget=jnp.asarray(self._budgets(), jnp.int32),
            target_cost_per_action=_float(
                self._per_agent("target_cost_per_action", TARGETS, 1 / UNITS, LARGEST_TARGET)
            ),
            category=jnp.asarray(self._categories(), jnp.int32),
            exposure=_float(self._exposure()),
            reserve_price=jnp.asarray(math.ceil(round(self.reserve_price * UNITS, 6)), jnp.int32),
            value=ValueLaw(
                mean=_float(min(mean, 1.0)),
                category_spread=_float(self.category_spread),
                agent_spread=_float(self.agent_spread),
                window=jnp.asarray(8, jnp.int32),
                deviation_mean=_float(self.value_deviation),
                deviation_std=_float(0.2 * self.value_deviation),
                deviation_tick_spread=_float(0.2),
                uncertainty_mean=_float(self.uncertainty),
                uncertainty_std=_float(0.4 * self.uncertainty),
            ),
            multiplier_low=_float(self.multiplier_low),
            multiplier_high=_float(self.multiplier_high),
        )

    def _categories(self) -> np.ndarray:
        count = -(-self.num_agents // 8) if self.num_categories is None else self.num_categories
        return np.arange(self.num_agents) * count // self.num_agents

    def _weights(self) -> np.ndarray:
        weights = np.asarray(hour_weights(self.horizon) if self.day_curve else np.ones(self.horizon), np.float64)
        shares: np.ndarray = weights / weights.sum()
        return shares

    def _fitting_window(self) -> int:
        """An eighth of the busiest tick: after a bidder has left, what is looked at again is small against a tick."""
        busiest = self.num_opportunities * self._weights().max() * (1 + self.traffic_spread)
        return int(np.clip(GROUP * math.ceil(busiest / 8 / GROUP), GROUP, MAX_WINDOW))

    def _budgets(self) -> np.ndarray:
        budgets = self._per_agent("initial_budget", BUDGETS, 1 / UNITS, MAX_TOTAL_BUDGET)
        if budgets.sum() > MAX_TOTAL_BUDGET:
            allowed = f"at most {MAX_TOTAL_BUDGET} in sum over the bidders"
            raise ValueError(f"initial_budget must be {allowed}, got {budgets.sum():g}")
        return np.round(budgets * UNITS)

    def _per_agent(self, name: str, default: tuple[int, ...], low: float, high: float) -> np.ndarray:
        value = getattr(self, name)
        if value is None:
            return np.resize(np.array(default, np.float64), self.num_agents)
        checked = validation.array(name, value, [(), (self.num_agents,)], low, high)
        return np.broadcast_to(checked, (self.num_agents,))

    def _exposure(self) -> np.ndarray:
        try:
            slots = np.shape(self.exposure)
        except ValueError:  # rows of different lengths
            slots = ()
        if len(slots) != 1 or not 1 <= slots[0] <= 16:
            raise validation.wrong_value("exposure", "one probability for each of 1 to 16 slots", self.exposure)
        exposure = validation.array("exposure", self.exposure, [slots], 0, 1)
        if (np.diff(exposure) > 0).any() or (exposure <= 0).any():
            raise validation.wrong_value("exposure", "positive and not increasing from slot to slot", self.exposure)
        return exposure


def option_names() -> tuple[str, ...]:
    """The names of the options."""
    return tuple(field.name for field in fields(Options))


def _float(value: Any) -> jax.Array:
    return jnp.asarray(value, float)
