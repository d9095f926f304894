"""The numbers of an AutoBidding market, and what a bidder is told of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from rtb_envs import validation
from rtb_envs.envs.auto_bidding.config import MAX_AGENTS, MAX_BID, MAX_OPPORTUNITIES, MAX_TOTAL_BUDGET, UNITS
from rtb_envs.envs.replacing import LARGE, SHARE, Range, fitted, fitted_part, known_fields, ordered
from rtb_envs.multi_agent import SeatParams
from rtb_envs.pytrees import pytree
from rtb_envs.tracing import is_concrete

LARGEST_TARGET = 1e6
LARGEST_MULTIPLIER = 1e6
_SPREAD = Range(0, 0.99)
_TICKS = Range(1, 100_000)
RANGES = {
    "num_opportunities": Range(1, MAX_OPPORTUNITIES),
    "traffic_weight": Range(0, LARGE),
    "traffic_spread": _SPREAD,
    "traffic_window": _TICKS,
    "initial_budget": Range(1, MAX_TOTAL_BUDGET * UNITS),
    "target_cost_per_action": Range(1 / UNITS, LARGEST_TARGET),
    "category": Range(0, MAX_AGENTS - 1),
    "exposure": Range(0, 1, open_low=True),
    "reserve_price": Range(0, MAX_BID),
    "multiplier_low": Range(0, LARGEST_MULTIPLIER),
    "multiplier_high": Range(0, LARGEST_MULTIPLIER, open_low=True),
}
"""What the market's numbers may be; the horizon may be what traffic weights are there for."""
VALUE_RANGES = {
    "mean": Range(0, 1, open_low=True),
    "category_spread": _SPREAD,
    "agent_spread": _SPREAD,
    "window": _TICKS,
    "deviation_mean": Range(0, 1, open_low=True),
    "deviation_std": SHARE,
    "deviation_tick_spread": SHARE,
    "uncertainty_mean": SHARE,
    "uncertainty_std": SHARE,
}
"""What those of the law of values may be."""


@pytree
@dataclass(frozen=True)
class ValueLaw:
    """How values differ between categories, bidders, ticks and opportunities; see ``noise.Drawn``."""

    mean: Float[Array, ""]
    """Mean conversion probability of an exposed opportunity, over everything."""
    category_spread: Float[Array, ""]
    """A category's level is drawn from U(1 - spread, 1 + spread) once a window."""
    agent_spread: Float[Array, ""]
    """A bidder's own level within its category, likewise."""
    window: Int[Array, ""]
    """Ticks for which levels stay."""
    deviation_mean: Float[Array, ""]
    """A bidder's standard deviation over opportunities, relative to its mean: drawn from a normal law of this mean"""
    deviation_std: Float[Array, ""]
    """and this standard deviation once an episode;"""
    deviation_tick_spread: Float[Array, ""]
    """in each tick it differs by this relative standard deviation."""
    uncertainty_mean: Float[Array, ""]
    """Relative uncertainty of a bidder's predicted values: |Normal| of this mean"""
    uncertainty_std: Float[Array, ""]
    """and this standard deviation."""


@pytree
@dataclass(frozen=True)
class Params:
    """Every number of the market; arrays over time have the static length ``max_horizon`` ("ticks").

    ``initial_budget`` and ``reserve_price`` count money units (see ``config.UNITS``); everything else is in currency.
    """

    horizon: Int[Array, ""]
    """Ticks of an episode, at most ``max_horizon``."""
    num_opportunities: Float[Array, ""]
    """Of an episode, before each tick's number is rounded down."""
    traffic_weight: Float[Array, "ticks"]
    """Share of each tick in the episode's opportunities, before it is perturbed; sums to 1 over the horizon."""
    traffic_spread: Float[Array, ""]
    """Each window's traffic is multiplied by a draw from U(1 - spread, 1 + spread), the total kept."""
    traffic_window: Int[Array, ""]
    """Ticks that share such a draw."""
    initial_budget: Int[Array, "agents"]
    target_cost_per_action: Float[Array, "agents"]
    """The CPA constraint: currency per conversion."""
    category: Int[Array, "agents"]
    exposure: Float[Array, "slots"]
    """Probability that a slot is shown, given that the slot before it is."""
    reserve_price: Int[Array, ""]
    value: ValueLaw
    multiplier_low: Float[Array, ""]
    multiplier_high: Float[Array, ""]

    def replace(self, **changes: Any) -> Params:
        """These parameters with some numbers changed, each in the type and shape that it had.

        One number serves every bidder. ``value`` takes a ``ValueLaw``; traffic weights are made to sum to 1 again.
        Raises TypeError or ValueError, naming the field, for what an option would be refused for. Works under jit and
        vmap: numbers that are traced are clipped to their ranges, and what they have to do with each other is not
        checked.
        """
        known_fields(self, changes)
        law: dict[str, Any] = {}
        if "value" in changes:
            law["value"] = fitted_part("value", changes.pop("value"), self.value, VALUE_RANGES)
        ranges = RANGES | {"horizon": Range(1, self.traffic_weight.shape[-1])}
        changed = replace(self, **fitted(self, changes, ranges), **law)
        _check_together(changed)
        if {"horizon", "traffic_weight"} & changes.keys():
            return replace(changed, traffic_weight=_normalised(changed.traffic_weight, changed.horizon))
        return changed


def _normalised(weight: Array, horizon: Array) -> Array:
    """``weight`` over its sum within the horizon, which the entries after it do not count for."""
    within = jnp.where(jnp.arange(weight.shape[-1]) < horizon, weight, 0)
    return weight / jnp.maximum(within.sum(), np.finfo(weight.dtype).tiny)


def _check_together(params: Params) -> None:
    """Raise ValueError for numbers that do not fit each other; those that are traced are not looked at."""
    known = is_concrete(params.horizon, params.traffic_weight)
    if known and not np.asarray(params.traffic_weight)[: int(params.horizon)].sum() > 0:
        raise ValueError("traffic_weight must have a positive sum over the horizon, got a sum of 0")
    if is_concrete(params.initial_budget):
        total = np.sum(np.asarray(params.initial_budget), dtype=np.int64)
        if total > MAX_TOTAL_BUDGET * UNITS:
            allowed = f"at most {MAX_TOTAL_BUDGET * UNITS} money units in sum over the bidders"
            raise ValueError(f"initial_budget must be {allowed}, got {total}")
    if is_concrete(params.exposure) and (np.diff(np.asarray(params.exposure)) > 0).any():
        exposure = np.asarray(params.exposure).tolist()
        raise validation.wrong_value("exposure", "not increasing from slot to slot", exposure)
    ordered(params, "multiplier_low", "multiplier_high")


@pytree
@dataclass(frozen=True)
class BidderParams(SeatParams[Params]):
    """The market's numbers as one bidder's policy reads them (``policies.policy.BiddingParams``), in currency."""

    @property
    def initial_budget(self) -> Float[Array, ""]:
        """Money of an episode."""
        return currency(self.market.initial_budget[self.agent])

    @property
    def target_cost_per_action(self) -> Float[Array, ""]:
        """The CPA constraint."""
        return self.market.target_cost_per_action[self.agent]

    @property
    def search_volume_mean(self) -> Float[Array, "ticks"]:
        """Expected opportunities of each tick."""
        return self.market.num_opportunities * self.market.traffic_weight

    @property
    def multiplier_low(self) -> Float[Array, ""]:
        """The smallest bid per value."""
        return self.market.multiplier_low

    @property
    def multiplier_high(self) -> Float[Array, ""]:
        """The largest bid per value."""
        return self.market.multiplier_high

    @property
    def action_meanings(self) -> None:
        """Actions are multipliers themselves."""
        return None


def currency(units: Int[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Whole money units in currency."""
    return units.astype(float) * (1 / UNITS)
