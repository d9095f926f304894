"""Entries of info: the step's reward terms, and the episode so far of every agent and of the market."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from rtb_envs.core import Info
from rtb_envs.envs.retargeting.accounting import Reward
from rtb_envs.envs.retargeting.config import CENTS, UNITS
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.envs.retargeting.state import State
from rtb_envs.users.attribution import WHOLE

_PER_UNIT, _PER_CENT, _PER_WHOLE = 1 / UNITS, 1 / CENTS, 1 / WHOLE

MARKET_INFO = frozenset(
    {
        *("clearing_price", "market_revenue", "playing", "stage_mix", "stage_opportunities"),
        *("market_publisher_revenue", "market_surcharge", "market_sold", "market_opportunities", "market_purchases"),
        *("market_organic_purchases", "market_attributed", "market_purchase_revenue", "market_departures"),
        *("market_exposed", "market_exposed_purchases", "market_masked_purchases"),
    }
)


def episode_info(before: State, after: State, reward: Reward, params: Params) -> Info:
    """What a step tells besides: dollars and counts, credits as counts; ``episode_`` and ``market_`` are totals."""
    totals, market, earlier = after.agents, after.market, before.market
    spent = totals.cost * _PER_UNIT
    price = (market.publisher_revenue - earlier.publisher_revenue) * _PER_UNIT
    return {
        **{f"reward_{name}": term for name, term in reward._asdict().items()},
        "win_rate": totals.win / jnp.maximum(totals.bid, 1).astype(float),
        "remaining_budget": after.remaining_budget * _PER_UNIT,
        "episode_cost": spent,
        "episode_surcharge": totals.surcharge * _PER_UNIT,
        "episode_bids": totals.bid,
        "episode_wins": totals.win,
        "episode_won_bids": totals.won_bid * _PER_CENT,
        "episode_clicks": totals.click,
        "episode_conversions": totals.conversion,
        "episode_attributed_purchases": totals.credit * _PER_WHOLE,
        "episode_new_customers": totals.new_customer * _PER_WHOLE,
        "episode_revenue": totals.revenue * _PER_CENT,
        "episode_revenue_later": totals.revenue_later * _PER_CENT,
        "episode_lifetime_value": totals.lifetime_value * _PER_CENT,
        "episode_yielded": totals.yielded,
        "episode_stage_wins": after.stage_win.T,
        "clearing_price": price,
        "market_revenue": (market.purchase_revenue - earlier.purchase_revenue) * _PER_CENT,
        "playing": after.playing.sum(dtype=jnp.int32),
        "stage_mix": _shares(after.stage_count),
        "stage_opportunities": after.stage_opportunity,
        "market_opportunities": after.t,
        "market_publisher_revenue": market.publisher_revenue * _PER_UNIT,
        "market_surcharge": market.surcharge * _PER_UNIT,
        "market_sold": market.sold,
        "market_purchases": market.purchase,
        "market_organic_purchases": market.organic_purchase,
        "market_attributed": market.attributed,
        "market_purchase_revenue": market.purchase_revenue * _PER_CENT,
        "market_departures": market.departure,
        "market_exposed": market.exposed,
        "market_exposed_purchases": market.exposed_purchase,
        "market_masked_purchases": market.masked_purchase,
    }


def _shares(count: Array) -> Array:
    return count / count.sum().astype(float)
