"""One event: slots are opened, sold, seen, clicked and paid for."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.ad_placement.auction import Candidates, Sale, candidates, sell
from rtb_envs.envs.ad_placement.config import Config
from rtb_envs.envs.ad_placement.fixed_point import charge_micros
from rtb_envs.envs.ad_placement.noise import Noise
from rtb_envs.envs.ad_placement.params import Params
from rtb_envs.envs.ad_placement.state import Counts, State
from rtb_envs.envs.ad_placement.visitors import fatigue, pressure


class Event(NamedTuple):
    """All that happened in one event."""

    offered: Candidates
    sale: Sale
    is_open: Bool[Array, "slots"]
    is_seen: Bool[Array, "slots"]
    is_clicked: Bool[Array, "slots"]
    charge: Int[Array, "advertisers"]
    """Micro-dollars that budgets lose."""
    counts: Counts


class Terms(NamedTuple):
    """What an event's auctions are about."""

    viewability: Float[Array, ""]
    """1 where viewability is off."""
    floor_cpm: Float[Array, ""]
    pressure: Float[Array, ""]
    fatigue: Float[Array, ""]


def terms(state: State, params: Params, config: Config) -> Terms:
    """The coming event's."""
    felt = pressure(state, config)
    viewability = params.viewability[state.slot_type] if config.viewability else jnp.ones(())
    floor = params.numbers.floor_cpm[state.slot_type]
    return Terms(viewability, floor, felt, fatigue(felt, params, config))


def play_event(state: State, action: Array, noise: Noise, params: Params, config: Config) -> Event:
    """Open ``action`` slots, at most ``max_slots``, none without a user.

    The page's auctions are simultaneous: pressure and budgets are those before the event, and an advertiser takes part
    if its budget pays for winning them all at its highest possible bid. So no budget is ever overdrawn.
    """
    slots, advertisers = config.max_slots, params.ctr.shape[0]
    event_terms = terms(state, params, config)
    can_pay = ~params.is_limited | (state.remaining_budget >= params.numbers.bid_charge)
    is_eligible = can_pay & params.takes_format[state.slot_type]
    uniform = noise.click_rate(slots, advertisers) if config.has_noise else None
    offered = candidates(
        state.user_factor, event_terms.viewability, event_terms.fatigue, uniform, is_eligible, params, config
    )
    sale = sell(offered, event_terms.floor_cpm, params, config)
    response = noise.response(slots)
    is_open = (jnp.arange(slots) < action) & state.has_user
    is_filled = is_open & sale.is_sold
    is_seen = is_filled & (response.impression < event_terms.viewability) if config.viewability else is_filled
    is_clicked = is_seen & (response.click < sale.pctr)
    paid = jnp.where(is_seen, charge_micros(sale.price), 0)
    by_winner = jnp.where(sale.winner[:, None] == jnp.arange(advertisers), paid[:, None], 0)
    counts = Counts(
        opened=jnp.sum(is_open, dtype=jnp.int32),
        filled=jnp.sum(is_filled, dtype=jnp.int32),
        impressions=jnp.sum(is_seen, dtype=jnp.int32),
        clicks=jnp.sum(is_clicked, dtype=jnp.int32),
        revenue=jnp.sum(paid, dtype=jnp.int32),
        dollars=jnp.zeros((), jnp.int32),
    )
    charge = jnp.where(params.is_limited, jnp.sum(by_winner, axis=0, dtype=jnp.int32), 0)
    return Event(offered, sale, is_open, is_seen, is_clicked, charge, counts)
