"""Single auctions of a Retargeting market as one advertiser sees them, for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array, lax

from rtb_envs.envs.openrtb import BIDS, BUDGET_EXHAUSTED, bid_columns
from rtb_envs.envs.retargeting.auction import hold_auction, read_action, surcharge
from rtb_envs.envs.retargeting.config import UNITS
from rtb_envs.envs.retargeting.customers import read
from rtb_envs.envs.retargeting.noise import Arrivals, Noise, Responses
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.envs.retargeting.state import AgentTotals, State

if TYPE_CHECKING:
    from rtb_envs.envs.retargeting.environment import Retargeting


def auction_records(
    env: Retargeting, noise: Noise, state: State, action: Array, params: Params, agent: int, most: int
) -> dict[str, Any]:
    """The opportunities of the step that ``action`` begins, for the advertiser ``agent``; every array is [most].

    - ``takes_place``: always, within the episode.
    - ``user_id``: the customer; ``metric_predicted_ctr``: the click rate predicted for the impression's context.
    - the bid, as the targeted stage has changed it, and what became of it: ``envs.openrtb.bid_columns``.
    - ``impression``, ``click``, ``conversion`` of the click; ``cost``: price and surcharge, in dollars.
    """
    each = action[:, None] if most == 1 else action

    def one(state: State, inputs: tuple[Array, Responses, Arrivals]) -> tuple[State, dict[str, Any]]:
        after, _ = env.opportunity(state, *inputs, params)
        action, _, arrival = inputs
        return after, _record(env, (state, after), action, arrival, params, agent)

    _, records = lax.scan(one, state, (jnp.moveaxis(each, 1, 0), noise.responses(most), state.arrivals))
    told: dict[str, Any] = records
    return told


def most_auctions(env: Retargeting, params: Params) -> int:
    """The opportunities of a step."""
    return env.config.opportunities_per_step


def _record(
    env: Retargeting, states: tuple[State, State], action: Array, arrival: Arrivals, params: Params, agent: int
) -> dict[str, Any]:
    """One opportunity, given the states before and after it."""
    before, after = states
    customer = read(before.customers[arrival.customer], env.config.num_agents)
    bids = read_action(action, customer.stage, params)
    auction = hold_auction(bids, before.playing, before.remaining_budget, params, env.config.pricing)
    rivals = jnp.where(auction.takes_part, bids.bid, 0).at[agent].set(0)
    pays_for = (
        bids.bid[agent] + surcharge(bids.bid[agent], bids.surcharge_rate[agent]) <= before.remaining_budget[agent]
    )
    own = AgentTotals(*(after.agent_totals[:, agent] - before.agent_totals[:, agent]))
    columns = bid_columns(
        env.config.pricing,
        params.reserve_price / UNITS,
        bids.bid[agent] / UNITS,
        jnp.where(before.playing[agent] & pays_for, BIDS, BUDGET_EXHAUSTED),
        auction.winner == agent,
        auction.price / UNITS,
        jnp.max(rivals) / UNITS,
    )
    return {
        "takes_place": before.t < params.horizon,
        "user_id": arrival.customer,
        "metric_predicted_ctr": params.response.context_ctr[arrival.context],
        **columns,
        "impression": own.win > 0,
        "click": own.click > 0,
        "conversion": own.conversion > 0,
        "cost": own.cost / UNITS,
    }
