"""What a Retargeting market carries from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.retargeting.noise import Arrivals
from rtb_envs.pytrees import pytree


class AgentTotals(NamedTuple):
    """Each agent's episode so far, int32 [agents] each (stacked in the state in this order)."""

    cost: Array
    """Price and surcharge, in money units;"""
    surcharge: Array
    """of that the surcharge."""
    bid: Array
    """Auctions taken part in."""
    win: Array
    won_bid: Array
    """Sum of the winning bids, in cents."""
    click: Array
    conversion: Array
    """Purchases that followed a click on the agent's ad at once."""
    credit: Array
    """Purchases attributed to the agent, in ten-thousandths;"""
    new_customer: Array
    """those of them that were the customer's first, in ten-thousandths;"""
    revenue: Array
    """and their revenue, in cents:"""
    revenue_later: Array
    """of that what arrives after the episode's end."""
    lifetime_value: Array
    """Customers' lifetime values after attributed purchases, summed, in cents."""
    yielded: Array
    """Opportunities left to an ally."""


class MarketTotals(NamedTuple):
    """The market's episode so far, int32 each (stacked in the state in this order)."""

    publisher_revenue: Array
    """Clearing prices, in money units."""
    surcharge: Array
    """In money units."""
    sold: Array
    """Opportunities with a winner."""
    purchase: Array
    organic_purchase: Array
    """Of the purchases those that no click led to at once."""
    purchase_revenue: Array
    """Of all purchases, in cents."""
    attributed: Array
    """Purchases attributed to somebody."""
    departure: Array
    """Customers that have left and were replaced."""
    exposed: Array
    """Opportunities of customers exposed in the last days, without a conversion: where the effect of ads shows;"""
    exposed_purchase: Array
    """their organic purchases,"""
    masked_purchase: Array
    """and what these would have been with the same draws and the exposure masked."""


class Window(NamedTuple):
    """What is known of the last opportunities, in a ring, and its sums; money units and cents, int32."""

    price: Array
    """0 where nobody won."""
    bidders: Array
    cost: Array
    revenue: Array


@pytree
@dataclass(frozen=True)
class State:
    """One market in progress. Counts and money are int32, hence exact."""

    t: Int[Array, ""]
    """Opportunities so far."""
    hours: Float[Array, ""]
    """Since the beginning, which is a midnight."""
    drift_sign: Float[Array, ""]
    customers: Float[Array, "customers fields"]
    """See ``customers``."""
    stage_count: Int[Array, "stages"]
    """Customers in each stage."""
    arrivals: Arrivals
    """Who has come: the opportunities that the agents bid for next."""
    playing: Bool[Array, "agents"]
    """Who has neither left nor reached the end."""
    remaining_budget: Int[Array, "agents"]
    """Money units."""
    agent_totals: Int[Array, "totals agents"]
    """See ``AgentTotals``."""
    market_totals: Int[Array, "totals"]
    """See ``MarketTotals``."""
    stage_win: Int[Array, "stages agents"]
    """Impressions won, by the customer's stage."""
    stage_opportunity: Int[Array, "stages"]
    ring: Int[Array, "window 2+2*agents"]
    """The last opportunities (``Window``): price, bidders, costs, revenues."""
    ring_sum: Int[Array, "2+2*agents"]
    ring_win: Int[Array, "agents"]
    """Wins within the ring."""
    ring_sold: Int[Array, ""]

    @property
    def agents(self) -> AgentTotals:
        """The agents' totals by name."""
        return AgentTotals(*self.agent_totals)

    @property
    def market(self) -> MarketTotals:
        """The market's totals by name."""
        return MarketTotals(*self.market_totals)

    @property
    def window(self) -> Window:
        """The sums over the last opportunities by name."""
        agents = self.playing.shape[0]
        total = self.ring_sum
        return Window(total[0], total[1], total[2 : 2 + agents], total[2 + agents :])
