"""The auction of one ad slot: who is a candidate on which terms, who wins, and what the winner pays."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.auctions.mechanisms import clearing_price
from rtb_envs.envs.ad_placement.config import MAX_CPM, Config
from rtb_envs.envs.ad_placement.fixed_point import as_probability, price_micros, probability
from rtb_envs.envs.ad_placement.params import Params
from rtb_envs.users.exact import once, pick

FILLED, BELOW_FLOOR, NO_ELIGIBLE, NOT_OPENED = 0, 1, 2, 3
REASONS = ("filled", "below_floor", "no_eligible", "not_opened")


Grid: TypeAlias = Sequence[Sequence[Array]]
"""A number for every advertiser in every slot, [slots][advertisers]. Each is an array of its own, so that a batch of
markets has an array [markets] for each, which compilers turn into wide instructions: an axis of a few advertisers, or
slots, they would walk through one by one."""


class Candidates(NamedTuple):
    """The terms of every advertiser in every slot."""

    pctr: Grid
    """Of an impression in the classic market, of a viewable one in the real market."""
    bid_cpm: Grid
    score: Grid
    is_eligible: Grid


class Sale(NamedTuple):
    """What the auctions of an event's slots bring, opened or not; [slots] each."""

    winner: Sequence[Int[Array, ""]]
    """Index of the advertiser; without meaning where nothing is sold."""
    is_sold: Sequence[Bool[Array, ""]]
    price: Sequence[Int[Array, ""]]
    """Micro-dollars per mille; 0 where nothing is sold."""
    pctr: Sequence[Float[Array, ""]]
    """The winner's."""
    reason: Sequence[Int[Array, ""]]
    """Index into ``REASONS`` of an opened slot's."""


def candidates(
    user_factor: Float[Array, ""],
    slot_factor: Float[Array, ""],
    fatigue: Float[Array, ""],
    uniform: Grid | None,
    is_eligible: Sequence[Bool[Array, ""]],
    params: Params,
    config: Config,
) -> Candidates:
    """pCTR = clamp(base * user * slot * fatigue + noise, 0, 1); noise = n * (2 * ``uniform`` - 1), 0 without uniforms.

    Classic: score = bid_cpm * pCTR * quality. Real: the slot's factor is left out, as pCTR is that of a viewable
    impression; bid_cpm = pCTR * value * 1000, at most ``MAX_CPM``, and score = bid_cpm * quality.
    """
    rows = []
    for slot in range(config.max_slots):
        row = []
        for index in range(params.ctr.shape[0]):
            rate = params.ctr[index] * user_factor
            if config.market == "classic":
                rate = rate * slot_factor
            units = probability(jnp.minimum(rate * fatigue, 1))
            if uniform is not None:
                units = units + probability(params.noise * (2 * uniform[slot][index] - 1))
            pctr = as_probability(once(jnp.clip(units, 0, probability(jnp.ones(())))))
            if config.market == "classic":
                bid = jnp.broadcast_to(params.bid_cpm[index], pctr.shape)
                score = bid * pctr * params.quality[index]
            else:
                bid = jnp.minimum(pctr * params.numbers.click_value_per_mille[index], MAX_CPM)
                score = bid * params.quality[index]
            row.append((pctr, bid, score, is_eligible[index]))
        rows.append(row)
    return Candidates(*(tuple(tuple(one[field] for one in row) for row in rows) for field in range(4)))


def sell(offered: Candidates, floor_cpm: Float[Array, ""], params: Params, config: Config) -> Sale:
    """The highest score among the eligible wins, ties to the lowest index, and pays at least the floor.

    second price: max(floor, v2 / w), at most the bid, with v2 the second score and w the winner's score per unit of
    bid (pCTR * quality, in the real market quality); a lone bidder, or w = 0, pays the floor. first price: the bid.
    hybrid: ``hybrid_weight`` of the first and the rest of the second. A winner whose bid is below the floor buys
    nothing; with ``below_floor="try_next"`` such bids take no part.
    """
    sales = [_sell_slot(*of_slot, floor_cpm, params, config) for of_slot in zip(*offered, strict=True)]
    return Sale(*zip(*sales, strict=True))


def _sell_slot(
    pctrs: Sequence[Array],
    bids: Sequence[Array],
    scores: Sequence[Array],
    is_eligible: Sequence[Array],
    floor_cpm: Float[Array, ""],
    params: Params,
    config: Config,
) -> tuple[Array, ...]:
    """The fields of ``Sale`` for one slot, of candidates [advertisers]."""
    # Folds over advertisers, a static axis: reductions with an index are many times slower on CPUs. The winner's index
    # is kept, so that what follows from it looks its terms up instead of holding the auction again.
    anyone = functools.reduce(jnp.logical_or, is_eligible)
    takes_part = list(is_eligible)
    if config.below_floor == "try_next":
        takes_part = [can & (bid >= floor_cpm) for can, bid in zip(is_eligible, bids, strict=True)]
    ranks = [jnp.where(takes, score, -1.0) for takes, score in zip(takes_part, scores, strict=True)]
    winner, second = _winner(ranks), _second(ranks)
    bid, pctr, quality = (pick(terms, winner) for terms in (bids, pctrs, params.quality))
    weight = pctr * quality if config.market == "classic" else quality
    is_contested = (second >= 0) & (weight > 0)
    competing = jnp.where(is_contested, jnp.maximum(second, 0) / jnp.where(weight > 0, weight, 1), 0)
    price = _price(bid, jnp.minimum(competing, bid), floor_cpm, params, config)
    # One number says what is paid and, by 0, that nothing is sold.
    above = once(jnp.where(pick(takes_part, winner) & (bid >= floor_cpm), price + 1, 0))
    is_sold, price = above > 0, jnp.maximum(above - 1, 0)
    reason = jnp.where(is_sold, FILLED, jnp.where(anyone, BELOW_FLOOR, NO_ELIGIBLE))
    return winner, is_sold, price, as_probability(once(probability(pctr))), reason


def _winner(scores: list[Array]) -> Int[Array, ""]:
    """The first index of the highest score."""
    best, winner = scores[0], jnp.zeros((), jnp.int32)
    for index, score in enumerate(scores[1:], 1):
        winner = jnp.where(score > best, index, winner)
        best = jnp.maximum(best, score)
    return once(winner)


def _second(scores: list[Array]) -> Float[Array, ""]:
    """The second-highest score; -1 if there is none."""
    best, second = scores[0], jnp.full((), -1.0)
    for score in scores[1:]:
        second = jnp.maximum(second, jnp.minimum(best, score))
        best = jnp.maximum(best, score)
    return second


def _price(bid: Array, competing: Array, floor: Array, params: Params, config: Config) -> Int[Array, "slots"]:
    """Micro-dollars per mille; a hybrid of two whole prices, so that its ends are exactly the second and the first."""
    if config.pricing != "hybrid":
        return price_micros(clearing_price(bid, competing, config.pricing, floor))
    second = price_micros(clearing_price(bid, competing, "second_price", floor))
    first = price_micros(clearing_price(bid, competing, "first_price", floor))
    return second + jnp.round(params.hybrid_weight * (first - second)).astype(jnp.int32)
