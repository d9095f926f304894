"""The auction of one ad slot: who is a candidate on which terms, who wins, and what the winner pays."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.auctions.mechanisms import clearing_price
from rtb_envs.envs.ad_placement.config import MAX_CPM, Config
from rtb_envs.envs.ad_placement.fixed_point import as_probability, price_micros, probability
from rtb_envs.envs.ad_placement.params import Params

FILLED, BELOW_FLOOR, NO_ELIGIBLE, NOT_OPENED = 0, 1, 2, 3
REASONS = ("filled", "below_floor", "no_eligible", "not_opened")


class Candidates(NamedTuple):
    """The terms of every advertiser in every slot."""

    pctr: Float[Array, "slots advertisers"]
    """Of an impression in the classic market, of a viewable one in the real market."""
    bid_cpm: Float[Array, "slots advertisers"]
    score: Float[Array, "slots advertisers"]
    is_eligible: Bool[Array, "slots advertisers"]


class Sale(NamedTuple):
    """What the auctions of an event's slots bring, opened or not."""

    winner: Int[Array, "slots"]
    """Index of the advertiser; without meaning where nothing is sold."""
    is_sold: Bool[Array, "slots"]
    price: Int[Array, "slots"]
    """Micro-dollars per mille; 0 where nothing is sold."""
    pctr: Float[Array, "slots"]
    """The winner's."""
    reason: Int[Array, "slots"]
    """Index into ``REASONS`` of an opened slot's."""


def candidates(
    user_factor: Float[Array, ""],
    slot_factor: Float[Array, ""],
    fatigue: Float[Array, ""],
    uniform: Float[Array, "slots advertisers"] | None,
    is_eligible: Bool[Array, "advertisers"],
    params: Params,
    config: Config,
) -> Candidates:
    """pCTR = clamp(base * user * slot * fatigue + noise, 0, 1); noise = n * (2 * ``uniform`` - 1), 0 without uniforms.

    Classic: score = bid_cpm * pCTR * quality. Real: the slot's factor is left out, as pCTR is that of a viewable
    impression; bid_cpm = pCTR * value * 1000, at most ``MAX_CPM``, and score = bid_cpm * quality.
    """
    rate = params.ctr * user_factor
    if config.market == "classic":
        rate = rate * slot_factor
    units = probability(jnp.minimum(rate * fatigue, 1))[None, :]
    if uniform is not None:
        units = units + probability(params.noise * (2 * uniform - 1))
    units = jnp.clip(units, 0, probability(jnp.ones(())))
    pctr = as_probability(jnp.broadcast_to(units, (config.max_slots, units.shape[1])))
    if config.market == "classic":
        bid = jnp.broadcast_to(params.bid_cpm, pctr.shape)
        score = bid * pctr * params.quality
    else:
        bid = jnp.minimum(pctr * params.numbers.click_value_per_mille, MAX_CPM)
        score = bid * params.quality
    return Candidates(pctr, bid, score, jnp.broadcast_to(is_eligible, pctr.shape))


def sell(offered: Candidates, floor_cpm: Float[Array, ""], params: Params, config: Config) -> Sale:
    """The highest score among the eligible wins, ties to the lowest index, and pays at least the floor.

    second price: max(floor, v2 / w), at most the bid, with v2 the second score and w the winner's score per unit of
    bid (pCTR * quality, in the real market quality); a lone bidder, or w = 0, pays the floor. first price: the bid.
    hybrid: ``hybrid_weight`` of the first and the rest of the second. A winner whose bid is below the floor buys
    nothing; with ``below_floor="try_next"`` such bids take no part.
    """
    can_pay = offered.bid_cpm >= floor_cpm
    takes_part = offered.is_eligible & can_pay if config.below_floor == "try_next" else offered.is_eligible
    quality = jnp.broadcast_to(params.quality, offered.score.shape)
    # A fold over advertisers, a static axis: reductions with an index are many times slower on CPUs.
    nobody = jnp.full(offered.score.shape[0], -1.0, offered.score.dtype)
    none = jnp.zeros_like(nobody)
    best, second, winner = nobody, nobody, jnp.full(nobody.shape, -1, jnp.int32)
    bid, pctr, best_quality = none, none, none
    for index in range(offered.score.shape[1]):
        score = jnp.where(takes_part[:, index], offered.score[:, index], -1)
        is_ahead = score > best
        second = jnp.where(is_ahead, best, jnp.maximum(second, score))
        best = jnp.where(is_ahead, score, best)
        winner = jnp.where(is_ahead, index, winner)
        bid = jnp.where(is_ahead, offered.bid_cpm[:, index], bid)
        pctr = jnp.where(is_ahead, offered.pctr[:, index], pctr)
        best_quality = jnp.where(is_ahead, quality[:, index], best_quality)
    weight = pctr * best_quality if config.market == "classic" else best_quality
    is_contested = (second >= 0) & (weight > 0)
    competing = jnp.where(is_contested, jnp.maximum(second, 0) / jnp.where(weight > 0, weight, 1), 0)
    price = _price(bid, jnp.minimum(competing, bid), floor_cpm, params, config)
    is_sold = (winner >= 0) & (bid >= floor_cpm)
    anyone = jnp.any(offered.is_eligible, axis=1)
    reason = jnp.where(is_sold, FILLED, jnp.where(anyone, BELOW_FLOOR, NO_ELIGIBLE))
    return Sale(jnp.maximum(winner, 0), is_sold, jnp.where(is_sold, price, 0), pctr, reason)


def _price(bid: Array, competing: Array, floor: Array, params: Params, config: Config) -> Int[Array, "slots"]:
    """Micro-dollars per mille; a hybrid of two whole prices, so that its ends are exactly the second and the first."""
    if config.pricing != "hybrid":
        return price_micros(clearing_price(bid, competing, config.pricing, floor))
    second = price_micros(clearing_price(bid, competing, "second_price", floor))
    first = price_micros(clearing_price(bid, competing, "first_price", floor))
    return second + jnp.round(params.hybrid_weight * (first - second)).astype(jnp.int32)
