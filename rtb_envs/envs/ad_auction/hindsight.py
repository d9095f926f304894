"""What all auctions of an episode offered: the clairvoyant optimum, and the distributions that logs would show."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool

from rtb_envs.auctions.hindsight import fractional_knapsack, multiplier_ceiling
from rtb_envs.auctions.mechanisms import clearing_price
from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction.params import Params
from rtb_envs.envs.ad_auction.state import Hindsight, Offer
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.random import TUNE, lane_keys

if TYPE_CHECKING:
    from rtb_envs.envs.ad_auction.environment import AdAuction

LOGGED_AUCTIONS = 200_000
"""``market_distribution`` looks at this many auctions or a few more: its distribution functions err by < .004."""
_LOG_SEED = 2**32 - 1


def hindsight(env: AdAuction, key: Array, params: Params) -> Hindsight:
    """What a clairvoyant bidder could have earned in the episode of ``key``; vmappable over keys.

    The ceiling is that of one bid multiplier a step, whatever form the environment's actions have.
    """
    offers, in_play = episode_offers(env, key, params)
    per_conversion = env.config.objective == "conversion"
    value = offers.click_rate * (offers.conversion_rate if per_conversion else 1.0)
    lowest_bid = jnp.maximum(jnp.floor(offers.price) + 1, jnp.ceil(params.reserve_price))
    lowest_price = clearing_price(
        lowest_bid, offers.price, env.config.pricing, params.reserve_price, params.hybrid_weight
    )
    cost = _charge_rate(env, offers) * jnp.floor(lowest_price)
    value = jnp.where(in_play, value, 0.0)
    threshold = lowest_bid / jnp.maximum(offers.unit_bid, 1e-12)
    optimum = fractional_knapsack(value.reshape(-1), cost.reshape(-1), params.initial_budget)
    ceiling = multiplier_ceiling(
        value, cost, threshold, in_play, params.initial_budget, params.multiplier_low, params.multiplier_high
    )
    return Hindsight(optimum, ceiling)


def _charge_rate(env: AdAuction, offers: Offer) -> Array | float:
    """The probability that a won impression is charged."""
    converted = offers.click_rate * offers.conversion_rate
    charged: dict[str, Array | float] = {"impression": 1.0, "click": offers.click_rate, "conversion": converted}
    return charged[env.config.cost_indicator]


def episode_offers(env: AdAuction, key: Array, params: Params) -> tuple[Offer, Bool[Array, "steps auctions"]]:
    """Every auction of the episode of ``key``, and which of them take place."""
    start = env.initial(env.reset_noise(key, params), params)
    index = jnp.arange(env.config.largest_search_volume)

    def one_step(t: Array) -> tuple[Offer, Array]:
        state = replace(start, t=t)
        noise = env.noise(key, state, params)
        volume_t = (t - 1) % params.horizon if env.config.compat == "rtbgym" else t
        in_play = (index < noise.search_volume(params, volume_t)) & (t < params.horizon)
        return env.offer(index, noise, state, params)[0], in_play

    return jax.vmap(one_step)(jnp.arange(env.config.max_horizon, dtype=jnp.int32))


def market_distribution(env: AdAuction, params: Params, num_points: int = 256) -> MarketDistribution:
    """Prices and relative rates as ``num_points`` equally likely values each, from the auctions of drawn episodes.

    The episodes are of lanes with the purpose TUNE, which no rollout meets. What is hidden from the bidder (the sign
    of the drift, the step of the shock) is averaged over.
    """
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
        offers, in_play = episode_offers(env, key, params)
        charge_rate = jnp.broadcast_to(_charge_rate(env, offers), offers.price.shape)
        return offers.price, offers.unit_bid, charge_rate, in_play

    return jit(jax.vmap(log, (0, None)))
