"""One event: slots are opened, sold, seen, clicked and paid for."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.ad_placement.auction import Candidates, Sale, candidates, sell
from rtb_envs.envs.ad_placement.config import Config
from rtb_envs.envs.ad_placement.fixed_point import charge_micros
from rtb_envs.envs.ad_placement.noise import Noise, Response
from rtb_envs.envs.ad_placement.params import Params
from rtb_envs.envs.ad_placement.state import Counts, State
from rtb_envs.envs.ad_placement.visitors import fatigue, pressure
from rtb_envs.users.exact import once, pick


class Event(NamedTuple):
    """All that happened in one event."""

    offered: Candidates
    sale: Sale
    is_open: Sequence[Bool[Array, ""]]
    """Of each slot, as the next two."""
    is_seen: Sequence[Bool[Array, ""]]
    is_clicked: Sequence[Bool[Array, ""]]
    charge: Sequence[Int[Array, ""]]
    """Micro-dollars that the budget of each advertiser loses."""
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
    viewability = pick(params.viewability, state.slot_type) if config.viewability else jnp.ones(())
    floor = pick(params.numbers.floor_cpm, state.slot_type)
    return Terms(viewability, floor, felt, fatigue(felt, params, config))


def play_event(state: State, action: Array, noise: Noise, params: Params, config: Config) -> Event:
    """Open ``action`` slots, at most ``max_slots``, none without a user.

    The page's auctions are simultaneous: pressure and budgets are those before the event, and an advertiser takes part
    if its budget pays for winning them all at its highest possible bid. So no budget is ever overdrawn.
    """
    slots, advertisers = config.max_slots, params.ctr.shape[0]
    event_terms = terms(state, params, config)
    is_eligible = []
    for a in range(advertisers):
        can_pay = ~params.is_limited[a] | (state.remaining_budget[a] >= params.numbers.bid_charge[a])
        takes = pick(params.takes_format[:, a], state.slot_type)
        is_eligible.append(once((can_pay & takes).astype(jnp.int32)) > 0)
    uniform = noise.click_rate(slots, advertisers) if config.has_noise else None
    offered = candidates(
        state.user_factor, event_terms.viewability, event_terms.fatigue, uniform, is_eligible, params, config
    )
    sale = sell(offered, event_terms.floor_cpm, params, config)
    response = noise.response(slots)
    shown = [
        _show(slot, action, state.has_user, sale, response, event_terms.viewability, config) for slot in range(slots)
    ]
    is_open, is_filled, is_seen, is_clicked, paid = zip(*shown, strict=True)
    opened, filled, impressions, clicks, revenue = map(total, (is_open, is_filled, is_seen, is_clicked, paid))
    charge = tuple(
        total([jnp.where((sale.winner[slot] == a) & params.is_limited[a], paid[slot], 0) for slot in range(slots)])
        for a in range(advertisers)
    )
    counts = Counts(opened, filled, impressions, clicks, revenue, jnp.zeros((), jnp.int32))
    return Event(offered, sale, is_open, is_seen, is_clicked, charge, counts)


def total(parts: Sequence[Array]) -> Int[Array, ""]:
    """The sum of whole numbers, or how many of some flags are set."""
    return functools.reduce(jnp.add, [part.astype(jnp.int32) for part in parts])


def _show(
    slot: int,
    action: Array,
    has_user: Array,
    sale: Sale,
    response: Response,
    viewability: Float[Array, ""],
    config: Config,
) -> tuple[Array, ...]:
    """Whether a slot is open, filled, seen and clicked, and the micro-dollars that are paid for it."""
    is_open = (slot < action) & has_user
    is_filled = is_open & sale.is_sold[slot]
    is_seen = is_filled & (response.impression[slot] < viewability) if config.viewability else is_filled
    is_clicked = is_seen & (response.click[slot] < sale.pctr[slot])
    fate = once(is_seen.astype(jnp.int32) + is_clicked.astype(jnp.int32))
    paid = jnp.where(fate > 0, charge_micros(sale.price[slot]), 0)
    return is_open, is_filled, fate > 0, fate > 1, paid
