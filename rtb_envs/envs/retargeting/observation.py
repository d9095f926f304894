"""What an agent sees before it bids: the customer, the market, and itself, each entry within [0, 1]."""

from __future__ import annotations

import itertools
import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from rtb_envs.envs.retargeting.config import CENTS, NUM_CATEGORIES, OBSERVATION_KEYS, POLICY_KEYS, UNITS, WINDOW, Config
from rtb_envs.envs.retargeting.customers import Customer, read
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.envs.retargeting.response import fatigue_factor, own_pressure
from rtb_envs.envs.retargeting.state import State
from rtb_envs.users.exact import pick
from rtb_envs.users.lifecycle import STAGES, churn_probability

HIGHEST_ROAS = 10.0
"""The return on ad spend that rules are shown is a share of this."""
YIELDS_AT = 1.3
"""An ally whose suitability exceeds the own one by this factor is left the impression."""

Entries = dict[str, Array]


def observe(state: State, params: Params, config: Config) -> Float[Array, "agents *opportunities 20"]:
    """The entries ``config.OBSERVATION_KEYS``; without the axis of opportunities where a step has one."""
    return _rows(_entries(state, params, config), OBSERVATION_KEYS, config)


def observe_for_policies(state: State, params: Params, config: Config) -> Float[Array, "agents *opportunities 24"]:
    """The entries ``config.POLICY_KEYS``: the observation, then what a bidder knows besides.

    That is the impression's predicted click rate (which the true one differs from unseen), the own fatigue factor, the
    return on ad spend over 10, and whether the agent leaves the impression to its ally (1) or not.
    """
    customer = come(state, config)
    known = _entries(state, params, config)
    known["predicted_ctr"] = params.response.context_ctr[state.arrivals.context]
    known["fatigue"] = fatigue_factor(own_pressure(customer, state.hours, params), params).T
    known["roas_of_10"] = roas(state)[:, None] * (1 / HIGHEST_ROAS)
    known["yields"] = yields(state, customer, config)
    return _rows(known, POLICY_KEYS, config)


def come(state: State, config: Config) -> Customer:
    """The customers who have come, one for each opportunity of the coming step."""
    return read(state.customers[state.arrivals.customer], config.num_agents)


def roas(state: State) -> Float[Array, "agents"]:
    """Attributed revenue over spend so far, 0 without spend."""
    return _ratio(state.agents.revenue, state.agents.cost)


def yields(state: State, customer: Customer, config: Config) -> Bool[Array, "agents opportunities"]:
    """Which member of the alliance leaves each impression to the other: the less suited by far.

    Suitability: half the share of the budget that is left plus half the agent's share of the wins in that stage.
    """
    opportunities = customer.stage.shape
    if config.alliance is None:
        return jnp.zeros((config.num_agents, *opportunities), bool)
    own = jnp.array(config.alliance)
    wins = jnp.stack([pick(state.stage_win[:, agent], customer.stage) for agent in range(config.num_agents)])
    share = wins / jnp.maximum(wins.sum(0), 1)
    start = (state.remaining_budget + state.agents.cost).astype(float)
    left = state.remaining_budget / jnp.maximum(start, 1)
    suitability = 0.5 * left[own][:, None] + jnp.maximum(0.5 * share[own], 0)
    gives_way = suitability[::-1] > YIELDS_AT * suitability
    return jnp.zeros((config.num_agents, *opportunities), bool).at[own].set(gives_way)


def _entries(state: State, params: Params, config: Config) -> Entries:
    """The entries by name, unclipped: [opportunities or 1] what all agents see alike, else [agents, 1]."""
    customer, totals, window = come(state, config), state.agents, state.window
    idle = state.hours - customer.last_activity
    start = (state.remaining_budget + totals.cost).astype(float)
    per_start = 1 / jnp.maximum(start, 1)
    per_all = 1 / jnp.maximum(jnp.sum(state.remaining_budget + totals.cost), 1).astype(float)
    seen = jnp.maximum(jnp.minimum(state.t, WINDOW), 1).astype(float)
    recent = _ratio(window.revenue, window.cost)
    market = {
        "market_spend": totals.cost.sum() * per_all,
        "mean_clearing_price": window.price / jnp.maximum(state.ring_sold, 1).astype(float) * (1 / UNITS / 20),
        "mean_bidders": window.bidders / (seen * config.num_agents),
        "stage_entropy": _entropy(state.stage_count, config.num_customers),
        "time_of_day": jnp.remainder(state.hours, 24.0) * (1 / 24),
    }
    own = {
        "spent": totals.cost * per_start,
        "budget_left": state.remaining_budget * per_start,
        "win_rate": totals.win / jnp.maximum(totals.bid, 1).astype(float),
        "roas": roas(state) * (1 / 5),
        "roas_trend": 0.5 + jnp.maximum(0.5 * jnp.tanh(recent - roas(state)), -1),
    }
    return {
        "visits": customer.visits * (1 / 100),
        "purchases": customer.purchases * (1 / 10),
        "total_spent": customer.total_spent * (1 / 1000),
        "idle": idle * (1 / 1000),
        "cart_value": customer.cart_value * (1 / 500),
        "lifetime_value": customer.lifetime_value * (1 / 2000),
        "churn_probability": churn_probability(jnp.maximum(idle, 0)),
        "conversion_probability": customer.conversion_probability,
        "stage": customer.stage * (1 / (len(STAGES) - 1)),
        "category": customer.category * (1 / (NUM_CATEGORIES - 1)),
        **{name: value[None] for name, value in market.items()},
        **{name: value[:, None] for name, value in own.items()},
    }


def _rows(entries: Entries, keys: tuple[str, ...], config: Config) -> Array:
    """Stack ``keys``, clipped to [0, 1], as [agents, opportunities, keys], or [agents, keys] with one opportunity."""
    agents, opportunities = config.num_agents, config.opportunities_per_step
    blocks = []
    # What all agents see alike is put together once and copied for each of them.
    for is_common, names in itertools.groupby(keys, lambda key: entries[key].ndim == 1):
        shape = (opportunities,) if is_common else (agents, opportunities)
        columns = [jnp.broadcast_to(jnp.clip(entries[name].astype(float), 0, 1), shape) for name in names]
        block = jnp.stack(columns, axis=-1)
        blocks.append(jnp.broadcast_to(block, (agents, *block.shape[-2:])))
    rows = jnp.concatenate(blocks, axis=-1)
    return rows[:, 0] if opportunities == 1 else rows


def _ratio(revenue_cents: Array, cost_units: Array) -> Array:
    """Revenue over cost, both in dollars; 0 without cost."""
    revenue = revenue_cents.astype(float) * (UNITS / CENTS)
    return jnp.where(cost_units > 0, revenue / jnp.maximum(cost_units, 1).astype(float), 0)


def _entropy(count: Array, customers: int) -> Array:
    """The entropy of the stage mix over its maximum log 6."""
    share = count.astype(float) * (1 / customers)
    # In 2**-20, so that the sum is exact in any order.
    parts = jnp.round(-share * jnp.log(jnp.maximum(share, 1e-9)) * (2.0**20)) * 2.0**-20
    total: Array = parts.sum() * (1 / math.log(len(STAGES)))
    return total
