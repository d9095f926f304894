"""What all auctions of an episode offered: the clairvoyant optimum, and the distributions that logs would show."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs import validation
from rtb_envs.auctions.hindsight import bid_priced_multiplier_ceiling, fractional_knapsack, multiplier_ceiling
from rtb_envs.auctions.mechanisms import clearing_price
from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction.bounds import largest_volume
from rtb_envs.envs.ad_auction.config import MAX_BID, Config
from rtb_envs.envs.ad_auction.params import Params
from rtb_envs.envs.ad_auction.state import Hindsight, Offer
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.random import TUNE, lane_keys
from rtb_envs.tracing import is_concrete

if TYPE_CHECKING:
    from rtb_envs.envs.ad_auction.environment import AdAuction

LOGGED_AUCTIONS = 200_000
"""``market_distribution`` looks at this many auctions or a few more: its distribution functions err by < .004."""
_LOG_SEED = 2**32 - 1


def hindsight(env: AdAuction, key: Array, params: Params) -> Hindsight:
    """What a clairvoyant bidder could have earned in the episode of ``key``; vmappable over keys.

    The ceiling is that of one bid multiplier a step: of the discrete ones where actions are discrete, of any in
    [multiplier_low, multiplier_high] else.

    No more than ``config.largest_search_volume`` auctions of a step can be seen: ValueError where the volumes of
    ``params`` may exceed it, and, if they are traced, NaN where a drawn volume does.
    """
    check_search_volume(env.config, params)
    offers, volume = episode_offers(env, key, params)
    in_play = _in_play(env, volume)
    per_conversion = env.config.objective == "conversion"
    value = offers.click_rate * (offers.conversion_rate if per_conversion else 1.0)
    lowest_bid = jnp.maximum(jnp.floor(offers.price) + 1, jnp.ceil(params.reserve_price))
    cost = _charge(env, params, offers, lowest_bid)
    value = jnp.where(in_play, value, 0.0)
    threshold, low, high = (
        lowest_bid / jnp.maximum(offers.unit_bid, 1e-12),
        params.multiplier_low,
        params.multiplier_high,
    )
    if params.action_meanings is not None:
        # An auction is won from the first meaning on that reaches its threshold, and those of one meaning together.
        meanings = jnp.sort(params.action_meanings)
        low, high = meanings[0], meanings[-1]
        threshold = jnp.append(meanings, jnp.inf)[jnp.searchsorted(meanings, threshold)]
    optimum = fractional_knapsack(value.reshape(-1), cost.reshape(-1), params.initial_budget)
    if env.config.pricing == "second_price":
        ceiling = multiplier_ceiling(value, cost, threshold, in_play, params.initial_budget, low, high)
    else:

        def cost_at(multiplier: Float[Array, "steps"]) -> Float[Array, "steps auctions"]:
            # At an auction's own threshold rounding may leave the bid one short of winning it.
            bid = jnp.minimum(jnp.floor(multiplier[:, None] * offers.unit_bid), MAX_BID)
            return _charge(env, params, offers, jnp.maximum(bid, lowest_bid))

        ceiling = bid_priced_multiplier_ceiling(value, cost_at, threshold, in_play, params.initial_budget, low, high)
    is_whole = jnp.all(volume <= env.config.largest_search_volume)
    return Hindsight(jnp.where(is_whole, optimum, jnp.nan), jnp.where(is_whole, ceiling, jnp.nan))


def _charge(env: AdAuction, params: Params, offers: Offer, bid: Array) -> Float[Array, "steps auctions"]:
    """What is expected to be charged for the auctions if these bids win them."""
    price = clearing_price(bid, offers.price, env.config.pricing, params.reserve_price, params.hybrid_weight)
    return _charge_rate(env, offers) * jnp.floor(price)


def _charge_rate(env: AdAuction, offers: Offer) -> Array | float:
    """The probability that a won impression is charged."""
    converted = offers.click_rate * offers.conversion_rate
    charged: dict[str, Array | float] = {"impression": 1.0, "click": offers.click_rate, "conversion": converted}
    return charged[env.config.cost_indicator]


def possible_volume(config: Config, params: Params) -> int:
    """The largest volume of a step: ``config.largest_search_volume``, unless concrete ``params`` may exceed it."""
    volumes = (params.search_volume_mean, params.search_volume_std, params.minimum_search_volume)
    if not is_concrete(volumes):
        return config.largest_search_volume
    mean, std, minimum = (np.asarray(number, np.float64) for number in volumes)
    largest = largest_volume(mean, std, float(minimum))
    # The configured bound was rounded down before the volumes were rounded to float32, so that it may seem 1 short.
    return largest if largest > config.largest_search_volume + 1 else config.largest_search_volume


def check_search_volume(config: Config, params: Params) -> None:
    """Raise ValueError if the volumes of concrete ``params`` may exceed what the configuration lets hindsight see."""
    largest = possible_volume(config, params)
    if largest > config.largest_search_volume:
        allowed = f"at least {largest}, the largest volume of these params, for hindsight"
        raise validation.wrong_value("largest_search_volume", allowed, config.largest_search_volume)


def _in_play(env: AdAuction, volume: Array) -> Bool[Array, "steps auctions"]:
    return jnp.arange(env.config.largest_search_volume) < volume[:, None]


def episode_offers(env: AdAuction, key: Array, params: Params) -> tuple[Offer, Int[Array, "steps"]]:
    """The first ``largest_search_volume`` auctions of each step of the episode of ``key``, and how many take place."""
    start = env.initial(env.reset_noise(key, params), params)
    index = jnp.arange(env.config.largest_search_volume)

    def one_step(t: Array) -> tuple[Offer, Array]:
        state = replace(start, t=t)
        noise = env.noise(key, state, params)
        volume_t = (t - 1) % params.horizon if env.config.compat == "rtbgym" else t
        volume = jnp.where(t < params.horizon, noise.search_volume(params, volume_t), 0)
        return env.offer(index, noise, state, params)[0], volume

    return jax.vmap(one_step)(jnp.arange(env.config.max_horizon, dtype=jnp.int32))


def market_distribution(env: AdAuction, params: Params, num_points: int = 256) -> MarketDistribution:
    """Prices and relative rates as ``num_points`` equally likely values each, from the auctions of drawn episodes.

    The episodes are of lanes with the purpose TUNE, which no rollout meets. What is hidden from the bidder (the sign
    of the drift, the step of the shock) is averaged over. Raises ValueError for volumes that may exceed
    ``config.largest_search_volume``.
    """
    check_search_volume(env.config, params)
    mean_volume = float(
        jnp.sum(jnp.where(jnp.arange(env.config.max_horizon) < params.horizon, params.search_volume_mean, 0))
    )
    num_episodes = int(np.clip(np.ceil(LOGGED_AUCTIONS / max(mean_volume, 1.0)), 1, 1024))
    keys = lane_keys(_LOG_SEED, TUNE, num_episodes)
    price, unit_bid, charge_rate, in_play = (np.asarray(part) for part in _compiled_log(env)(keys, params))
    levels = (np.arange(num_points) + 0.5) / num_points
    return MarketDistribution(
        price=jnp.asarray(np.quantile(np.maximum(price[in_play], params.reserve_price), levels), jnp.float32),
        relative_rate=jnp.asarray(
            np.quantile(unit_bid[in_play] / float(params.standard_bid_price), levels), jnp.float32
        ),
        unit_rate=params.standard_bid_price / env.bid_scale(params),
        charge_rate=jnp.float32(charge_rate[in_play].mean()),
        first_price_share={"second_price": jnp.float32(0), "first_price": jnp.float32(1)}.get(
            env.config.pricing, params.hybrid_weight
        ),
    )


@functools.lru_cache(maxsize=16)
def _compiled_log(env: AdAuction) -> Any:
    """(keys, params) -> price, bid at multiplier 1, charge rate and mask of every auction [keys, steps, auctions]."""

    def log(key: Array, params: Params) -> tuple[Array, ...]:
        offers, volume = episode_offers(env, key, params)
        charge_rate = jnp.broadcast_to(_charge_rate(env, offers), offers.price.shape)
        return offers.price, offers.unit_bid, charge_rate, _in_play(env, volume)

    return jit(jax.vmap(log, (0, None)))
