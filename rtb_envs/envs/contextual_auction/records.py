"""Single auctions of a ContextualAuction as one bidder sees them, for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array

from rtb_envs.envs.contextual_auction.money import MICROS, to_micros
from rtb_envs.envs.contextual_auction.rounds import Rounds
from rtb_envs.envs.contextual_auction.settlement import settle
from rtb_envs.envs.contextual_auction.state import Params, State
from rtb_envs.envs.openrtb import BIDS, THROTTLED, bid_columns

if TYPE_CHECKING:
    from rtb_envs.envs.contextual_auction.environment import ContextualAuction


def auction_records(
    env: ContextualAuction, noise: Rounds, state: State, action: Array, params: Params, agent: int, most: int
) -> dict[str, Any]:
    """The rounds of the step that ``action`` [bidders, 1] begins, for the bidder ``agent``; every array is [most].

    - ``takes_place``: whether the bidder is asked in the round.
    - ``crid``: the ad that it offers; ``metric_ctr``: the true chance of a click, ``metric_predicted_ctr``: the
      bidder's estimate of it.
    - the bid and what became of it: ``envs.openrtb.bid_columns``.
    - ``impression``, ``click``; ``cost``: what was paid, in currency.
    """
    rounds, offers = state.rounds, state.offers
    shading = jnp.broadcast_to(env.shading(action, params)[:, None], rounds.takes_part.shape)
    bid = shading * (offers.estimated_ctr * offers.value)
    result = settle(bid, offers, rounds, env.config.pricing)
    units = jnp.where(rounds.takes_part, to_micros(jnp.nan_to_num(bid)), 0)
    own, rivals = units[agent], units.at[agent].set(0)
    won = result.won[agent]
    return {
        "takes_place": rounds.takes_part[agent] & (state.t < params.horizon),
        "crid": offers.ad[agent],
        "metric_ctr": offers.ctr[agent],
        "metric_predicted_ctr": offers.estimated_ctr[agent],
        **bid_columns(
            env.config.pricing,
            jnp.float32(0),
            own / MICROS,
            jnp.where(own > 0, BIDS, THROTTLED),
            won,
            result.price / MICROS,
            rivals.max(axis=0) / MICROS,
        ),
        "impression": won,
        "click": result.clicked[agent],
        "cost": result.spend[agent] / MICROS,
    }


def most_auctions(env: ContextualAuction, params: Params) -> int:
    """The rounds of a step."""
    return env.config.rounds_per_step
