"""The numbers of an AutoBidding market, and what a bidder is told of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.auto_bidding.config import UNITS
from rtb_envs.multi_agent import SeatParams


@jax.tree_util.register_dataclass
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


@jax.tree_util.register_dataclass
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
        """These parameters with some numbers changed."""
        return replace(self, **changes)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BidderParams(SeatParams[Params]):
    """The market's numbers as one bidder's policy reads them (``policies.policy.BiddingParams``), in currency."""

    @property
    def horizon(self) -> Int[Array, ""]:
        """Ticks of an episode."""
        return self.market.horizon

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
