"""Single auctions of an AdAuction under the names of OpenRTB 2.6, for logs.

Prices are per mille, as OpenRTB has them: 1000 times the money of one charged event, which is a CPM where impressions
are charged, and 1000 times a CPC or a CPA otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array

from rtb_envs.auctions.budgets import keep_until_exhausted, skip_what_does_not_fit
from rtb_envs.auctions.mechanisms import Pricing, clearing_price
from rtb_envs.envs.ad_auction.bidding import read_action
from rtb_envs.envs.ad_auction.params import Params
from rtb_envs.envs.ad_auction.state import State

if TYPE_CHECKING:
    from rtb_envs.envs.ad_auction.environment import AdAuction

AUCTION_TYPES: dict[Pricing, int] = {"first_price": 1, "second_price": 2, "hybrid": 500}
"""BidRequest.at; from 500 on they are the exchange's own."""
WON, BELOW_FLOOR, OUTBID = 0, 100, 102
"""Loss reason codes."""
BUDGET_EXHAUSTED, THROTTLED = 501, 502
"""No-bid reason codes, of those from 500 on that OpenRTB leaves to the bidder."""
_PER_MILLE = 1000.0


def auction_records(env: AdAuction, key: Array, state: State, action: Array, params: Params) -> dict[str, Any]:
    """Each auction of the step that ``action`` begins in ``state``; every array is [largest_search_volume].

    - ``takes_place``: whether the step has so many auctions; the rest has no meaning where it does not.
    - ``at``: auction type, 1 first price, 2 second price, 500 hybrid; ``bidfloor``: the reserve price.
    - ``user_id``, ``crid``: the user and the ad.
    - ``metric_ctr``, ``metric_cvr``: the true chance of a click, and of a conversion of a click.
    - ``price``: the bid, NaN if there is none; ``nbr``: 501 where the budget pays for no more, 502 where the
      policy bids nothing, -1 where there is a bid.
    - ``loss``: 0 won, 100 below the floor, 102 outbid, -1 without a bid.
    - ``auction_price``: what a charged event costs the winner, NaN unless won; ``auction_mbr``: its ratio to the bid.
    - ``auction_min_to_win``: the price to beat, the highest competing bid or the floor.
    - ``impression``, ``click``, ``conversion``; ``cost``: what the budget paid, in its own unit and not per mille.
    """
    noise = env.noise(key, state, params)
    index = jnp.arange(env.config.largest_search_volume)
    volume_t = (state.t - 1) % params.horizon if env.config.compat == "rtbgym" else state.t
    takes_place = index < noise.search_volume(params, volume_t)
    offer, auctions = env.offer(index, noise, state, params)
    bid = read_action(action, params, env.config.action_kind).bid(offer.unit_bid, index, noise)
    result = env.resolve(offer, auctions.response_uniform, bid, params)

    paid = keep_until_exhausted if env.config.budget_rule == "stop" else skip_what_does_not_fit
    can_pay = paid(result.cost, state.remaining_budget)
    has_bid = can_pay & (result.bid > 0)
    won = has_bid & result.impression
    clearing = clearing_price(
        result.bid, offer.price, env.config.pricing, params.reserve_price, params.hybrid_weight
    ).astype(jnp.float32)
    reason = jnp.where(result.bid < params.reserve_price, BELOW_FLOOR, OUTBID)
    floor = jnp.full(index.shape, params.reserve_price, jnp.float32)
    nothing = jnp.float32(jnp.nan)
    return {
        "takes_place": takes_place,
        "at": jnp.full(index.shape, AUCTION_TYPES[env.config.pricing], jnp.int32),
        "bidfloor": _PER_MILLE * floor,
        "user_id": auctions.user,
        "crid": auctions.ad,
        "metric_ctr": offer.click_rate,
        "metric_cvr": offer.conversion_rate,
        "price": jnp.where(has_bid, _PER_MILLE * result.bid, nothing),
        "nbr": jnp.where(has_bid, -1, jnp.where(can_pay, THROTTLED, BUDGET_EXHAUSTED)),
        "loss": jnp.where(has_bid, jnp.where(won, WON, reason), -1),
        "auction_price": jnp.where(won, _PER_MILLE * clearing, nothing),
        "auction_min_to_win": _PER_MILLE * jnp.maximum(offer.price, floor),
        "auction_mbr": jnp.where(won, clearing / jnp.maximum(result.bid, 1), nothing),
        "impression": won,
        "click": has_bid & result.click,
        "conversion": has_bid & result.conversion,
        "cost": jnp.where(has_bid, result.cost, 0),
    }
