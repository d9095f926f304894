"""What one opportunity adds to the books, and the reward that follows."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.retargeting.auction import Auction, Bids
from rtb_envs.envs.retargeting.config import CENTS, UNITS, WINDOW
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.envs.retargeting.response import Response
from rtb_envs.envs.retargeting.state import AgentTotals, MarketTotals, State
from rtb_envs.users.attribution import WHOLE
from rtb_envs.users.exact import once, rounded

REVENUE_SCALE = 50.0
"""Dollars: a reward of 1 is a purchase's worth of profit."""
CAC_TARGET, CAC_CAP = 25.0, 4.0
_GRID = 2.0**16


class Reward(NamedTuple):
    """The weighted terms of the reward, [agents] each, in whole 2**-16: their sum is exact in any order."""

    profit: Float[Array, "agents"]
    """(Attributed revenue - cost) / $50."""
    conversion: Float[Array, "agents"]
    """1 at an attributed purchase."""
    acquisition_cost: Float[Array, "agents"]
    """-min(4, cost per new customer / $25) at a new customer."""
    win_share: Float[Array, "agents"]
    """Own wins over all wins in the window, minus 1 / n."""
    profit_share: Float[Array, "agents"]
    """Own profit over the sum of the agents' positive ones in the window, within [-1, 1]."""

    def total(self) -> Float[Array, "agents"]:
        """Their sum."""
        return self.profit + self.conversion + self.acquisition_cost + self.win_share + self.profit_share


class Entry(NamedTuple):
    """One opportunity in the books."""

    agents: AgentTotals
    market: MarketTotals
    row: Int[Array, "2+2*agents"]
    """As ``Window``."""
    cost: Int[Array, "agents"]
    revenue: Int[Array, "agents"]
    win: Bool[Array, "agents"]


def entry(
    bids: Bids, auction: Auction, response: Response, later: Bool[Array, ""], yielded: Bool[Array, "agents"]
) -> Entry:
    """What to add; ``later``: the purchase arrives after the episode's end."""
    agents = bids.bid.shape[0]
    win = jnp.arange(agents) == auction.winner
    spent = auction.price + auction.surcharge
    cost = jnp.where(win, spent, 0)
    revenue = split(response.revenue, response.credit)
    first = jnp.where(response.first_purchase, response.credit, 0)
    totals = AgentTotals(
        cost=cost,
        surcharge=jnp.where(win, auction.surcharge, 0),
        bid=auction.takes_part,
        win=win,
        won_bid=jnp.where(win, (bids.bid + 50) // 100, 0),
        click=win & response.click,
        conversion=win & response.conversion,
        credit=response.credit,
        new_customer=first,
        revenue=revenue,
        revenue_later=jnp.where(later, revenue, 0),
        lifetime_value=split(response.lifetime_value, response.credit),
        yielded=yielded,
    )
    sold = auction.winner >= 0
    market = MarketTotals(
        publisher_revenue=auction.price,
        surcharge=auction.surcharge,
        sold=sold,
        purchase=response.conversion | response.organic,
        organic_purchase=response.organic,
        purchase_revenue=response.revenue,
        attributed=response.credit.sum() > 0,
        departure=response.left,
        exposed=response.exposed,
        exposed_purchase=response.exposed & response.organic,
        masked_purchase=response.exposed & response.organic_masked,
    )
    bidders = auction.takes_part.sum(dtype=jnp.int32)
    row = jnp.concatenate([jnp.stack([auction.price, bidders]), cost, revenue])
    return Entry(totals, market, row, cost, revenue, win)


def booked(state: State, added: Entry, stage: Int[Array, ""]) -> State:
    """The state with its totals and its window moved on; ``stage`` is the customer's at the auction."""
    agents = added.cost.shape[0]
    place = state.t % WINDOW
    old = state.ring[place]
    change = added.row - old
    here = jnp.arange(state.stage_opportunity.shape[0]) == stage
    return replace(
        state,
        remaining_budget=state.remaining_budget - added.cost,
        agent_totals=_moved_on(state.agent_totals, added.agents),
        market_totals=_moved_on(state.market_totals, added.market),
        stage_win=state.stage_win + (here[:, None] & added.win),
        stage_opportunity=state.stage_opportunity + here,
        # What is written depends on what was read: else the compiler copies the ring to keep both possible.
        ring=state.ring.at[place].add(change, mode="promise_in_bounds"),
        ring_sum=state.ring_sum + change,
        ring_win=state.ring_win + added.win - (old[2 : 2 + agents] > 0),
        ring_sold=state.ring_sold + (added.row[0] > 0) - (old[0] > 0),
    )


def reward_of(state: State, added: Entry, params: Params) -> Reward:
    """The reward's terms for the opportunity just booked."""
    totals, window, booked_now = state.agents, state.window, added.agents
    # Each term is one number of the market times one of the lane: a longer product might be taken in another order.
    weights, new = params.reward_weights.T, rounded(booked_now.new_customer * (1 / WHOLE))
    customers = jnp.maximum(totals.new_customer, 1).astype(float)
    cac = jnp.minimum(totals.cost.astype(float) * (WHOLE / UNITS / CAC_TARGET) / customers, CAC_CAP)
    wins = state.ring_win.sum(dtype=jnp.int32)
    even = 1 / jnp.maximum(params.active.sum(), 2).astype(float)
    share = _grid(state.ring_win / jnp.maximum(wins, 1).astype(float)) - even
    recent = _grid(units(window.cost, window.revenue) * (1 / UNITS))
    positive = jnp.maximum(recent, 0).sum()
    profit_share = jnp.clip(recent / jnp.where(positive > 0, positive, 1), -1, 1)
    dollar = weights[0] * (1 / REVENUE_SCALE / UNITS)
    heavier = dollar_weight(totals.cost - added.cost, params) - 1
    return Reward(
        _grid(units(added.cost, added.revenue) * dollar) - _grid(rounded(added.cost.astype(float) * dollar) * heavier),
        _grid(booked_now.credit * (weights[1] * (1 / WHOLE))),
        _grid(-weights[2] * rounded(cac * new)),
        _grid(weights[3] * jnp.where(wins > 0, share, 0)),
        _grid(weights[4] * jnp.where(positive > 0, profit_share, 0)),
    )


def dollar_weight(spent: Int[Array, "agents"], params: Params) -> Float[Array, "agents"]:
    """What each agent's next dollar counts in its reward: w g**z, after ``spent`` money units, a share z of its budget.

    The threshold of value over price at which to buy that is competitive in an online knapsack rises exponentially in
    the share that is full (Chakrabarty, Zhou and Lukose, "Budget constrained bidding in keyword auctions and online
    knapsack problems", WINE 2008). Here w is ``spend_weight`` and g ``spend_weight_growth``.
    """
    share = spent.astype(float) / jnp.maximum(params.initial_budget, 1).astype(float)
    return rounded(params.spend_weight * params.spend_weight_growth**share)


def units(cost: Int[Array, "*batch"], revenue: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Revenue in cents minus cost in money units, in money units."""
    whole: Array = revenue * (UNITS // CENTS) - cost
    return whole.astype(float)


def _grid(value: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    on_grid: Array = jnp.round(value * _GRID) * (1 / _GRID)
    return on_grid


def split(amount: Int[Array, ""], credit: Int[Array, "agents"]) -> Int[Array, "agents"]:
    """``amount`` by credit, in whole units; what rounding leaves goes to whoever is credited most."""
    shares = (amount.astype(jnp.uint32) * credit.astype(jnp.uint32) // jnp.uint32(WHOLE)).astype(jnp.int32)
    most = jnp.arange(credit.shape[0]) == jnp.argmax(credit)
    left = jnp.where(credit.sum() > 0, amount - shares.sum(dtype=jnp.int32), 0)
    return once(shares + jnp.where(most, left, 0))


def _moved_on(totals: Array, change: AgentTotals | MarketTotals) -> Array:
    # Added one by one: a sum of stacks would be another pass over short rows, which compilers do entry by entry.
    return jnp.stack([total + jnp.asarray(one, jnp.int32) for total, one in zip(totals, change, strict=True)])
