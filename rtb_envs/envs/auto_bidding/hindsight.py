"""What a clairvoyant bidder could have had of an AutoBidding episode, its rivals held to what they did without it."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from rtb_envs.auctions.hindsight import position_ceiling
from rtb_envs.auctions.ranking import participating_score, rank
from rtb_envs.envs.auto_bidding.config import MAX_BID, UNITS
from rtb_envs.envs.auto_bidding.params import BidderParams, Params
from rtb_envs.multi_agent import SeatParams
from rtb_envs.seat import Seat, SeatState


def largest_tick(params: Params) -> int:
    """The most opportunities that a tick of these (concrete) parameters can hold."""
    weight = np.asarray(params.traffic_weight, np.float64)[: int(params.horizon)]
    share, spread = weight / weight.sum(), float(params.traffic_spread)
    window = np.arange(share.size) // int(params.traffic_window)
    # A tick is busiest when all of its window is and every other window is quiet.
    together = np.bincount(window, share)[window]
    largest = share * (1 + spread) / (together * (1 + spread) + (1 - together) * (1 - spread))
    return math.ceil(float(params.num_opportunities) * float(largest.max()))


def seat_optimum(seat: Seat, key: Array, params: SeatParams[Params], num_opportunities: int) -> Float[Array, ""]:
    """The most conversions that the seat's budget could have been expected to buy in the episode of ``key``.

    Every opportunity offers one of the slots, at the rival bid that it leaves behind, or none (``position_ceiling``);
    true conversion probabilities count. Rivals bid as they do while the seat bids the least it can, so that they keep
    less budget than they would against a seat that wins; it is a yardstick rather than a bound where the seat is large.
    The target cost per action is not a constraint. ``num_opportunities`` (static) is at least ``largest_tick``;
    vmappable over keys and budgets.
    """
    core, agent = seat.core, params.agent
    index = jnp.arange(num_opportunities, dtype=jnp.int32)
    least = jnp.reshape(params.market.multiplier_low, (1,))

    def tick(state: SeatState, _: None) -> tuple[SeatState, tuple[Array, Array]]:
        noise = seat.noise(key, state, params)
        actions, _carries = seat.actions(state, least, noise.rivals, params)
        market: Any = state.market
        drawn = noise.market.opportunities(index, market.tick, core.config.num_slots)  # type: ignore[attr-defined]
        multiplier = jnp.where(market.playing, core.multipliers(actions, params.market), 0)  # type: ignore[attr-defined]
        bid = jnp.minimum(multiplier[:, None] * drawn.value * UNITS, MAX_BID)
        rival = bid.at[agent].set(0)
        best = rank(participating_score(rival, reserve_price=params.market.reserve_price), core.config.num_slots).score  # type: ignore[attr-defined]
        price = jnp.floor(jnp.maximum(best, params.market.reserve_price.astype(best.dtype)))
        value = jnp.where(index < market.tick.volume, drawn.value[agent] * market.conversion_factor[agent], 0)
        return seat.transition(state, least, noise, params)[0], (value, price)

    start = seat.initial(seat.reset_noise(key, params), params)
    _, (value, price) = lax.scan(tick, start, None, length=core.config.max_horizon)  # type: ignore[attr-defined]
    exposure = jnp.cumprod(params.market.exposure)
    slots = price.shape[1]
    flat = jnp.moveaxis(price, 1, 0).reshape(slots, -1)
    budget = params.market.initial_budget[agent].astype(value.dtype)
    return position_ceiling(value.reshape(-1), flat, exposure, budget)


def with_budget(params: BidderParams, budget: float) -> BidderParams:
    """``params`` with another budget (in currency, at least one money unit) for the seat's bidder."""
    units = jnp.maximum(jnp.round(jnp.asarray(budget) * UNITS), 1).astype(jnp.int32)
    replaced: Any = params.replace(initial_budget=params.market.initial_budget.at[params.agent].set(units))
    return replaced  # type: ignore[no-any-return]


def expected_largest_spend(seat: Seat, keys: Array, params: BidderParams, budget: float) -> float:
    """Mean cost, in currency, of the episodes of ``keys`` for a seat that bids the most it can with ``budget``."""
    rich = with_budget(params, budget)
    most = jnp.reshape(params.market.multiplier_high, (1,))

    def cost(key: Array) -> Array:
        def tick(state: SeatState, _: None) -> tuple[SeatState, None]:
            return seat.transition(state, most, seat.noise(key, state, rich), rich)[0], None

        start = seat.initial(seat.reset_noise(key, rich), rich)
        end, _ = lax.scan(tick, start, None, length=seat.core.config.max_horizon)  # type: ignore[attr-defined]
        left: Array = end.market.remaining_budget[rich.agent]
        return rich.initial_budget - left * (1 / UNITS)

    return float(jnp.mean(jax.jit(jax.vmap(cost))(keys)))
