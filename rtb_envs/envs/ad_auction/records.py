"""Single auctions of an AdAuction under the names of OpenRTB 2.6, for logs.

Prices are per mille, as OpenRTB has them: 1000 times the money of one charged event, which is a CPM where impressions
are charged, and 1000 times a CPC or a CPA otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array

from rtb_envs.auctions.budgets import keep_until_exhausted, skip_what_does_not_fit
from rtb_envs.auctions.mechanisms import clearing_price
from rtb_envs.envs.ad_auction.bidding import read_action
from rtb_envs.envs.ad_auction.params import Params
from rtb_envs.envs.ad_auction.state import State
from rtb_envs.envs.openrtb import BIDS, BUDGET_EXHAUSTED, THROTTLED, bid_columns

if TYPE_CHECKING:
    from rtb_envs.envs.ad_auction.environment import AdAuction


def auction_records(
    env: AdAuction, key: Array, state: State, action: Array, params: Params, most: int
) -> dict[str, Any]:
    """Each auction of the step that ``action`` begins in ``state``; every array is [most], see ``most_auctions``.

    - ``takes_place``: whether the step has so many auctions; the rest has no meaning where it does not.
    - ``user_id``, ``crid``: the user and the ad.
    - ``metric_ctr``, ``metric_cvr``: the true chance of a click, and of a conversion of a click.
    - the bid and what became of it: ``envs.openrtb.bid_columns``.
    - ``impression``, ``click``, ``conversion``; ``cost``: what the budget paid, in its own unit and not per mille.
    """
    noise = env.noise(key, state, params)
    index = jnp.arange(most)
    volume_t = (state.t - 1) % params.horizon if env.config.compat == "rtbgym" else state.t
    takes_place = index < noise.search_volume(params, volume_t)
    offer, auctions = env.offer(index, noise, state, params)
    bid = read_action(action, params, env.config.action_kind).bid(offer.unit_bid, index, noise)
    result = env.resolve(offer, auctions.response_uniform, bid, params)

    paid = keep_until_exhausted if env.config.budget_rule == "stop" else skip_what_does_not_fit
    can_pay = paid(result.cost, state.remaining_budget)
    has_bid = can_pay & (result.bid > 0)
    clearing = clearing_price(result.bid, offer.price, env.config.pricing, params.reserve_price, params.hybrid_weight)
    reason = jnp.where(has_bid, BIDS, jnp.where(can_pay, THROTTLED, BUDGET_EXHAUSTED))
    return {
        "takes_place": takes_place,
        "user_id": auctions.user,
        "crid": auctions.ad,
        "metric_ctr": offer.click_rate,
        "metric_cvr": offer.conversion_rate,
        **bid_columns(
            env.config.pricing, params.reserve_price, result.bid, reason, result.impression, clearing, offer.price
        ),
        "impression": has_bid & result.impression,
        "click": has_bid & result.click,
        "conversion": has_bid & result.conversion,
        "cost": jnp.where(has_bid, result.cost, 0),
    }


def most_auctions(env: AdAuction, params: Params) -> int:
    """The most auctions that a step can have."""
    return env.config.largest_search_volume
