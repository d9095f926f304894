"""Events for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array

from rtb_envs.envs.ad_placement.auction import NOT_OPENED
from rtb_envs.envs.ad_placement.event import play_event, terms
from rtb_envs.envs.ad_placement.fixed_point import MICROS
from rtb_envs.envs.ad_placement.params import Params
from rtb_envs.envs.ad_placement.state import State

if TYPE_CHECKING:
    from rtb_envs.envs.ad_placement.environment import AdPlacement


def event_records(env: AdPlacement, key: Array, state: State, action: Array, params: Params) -> dict[str, Any]:
    """The event that ``action`` begins in ``state``.

    ``opened_slots``, ``filled_slots``, ``impressions``, ``clicks``: numbers. ``revenue_micros``: micro-dollars.
    ``pressure``: before the event, in impressions. ``slot_type``: index. ``has_user``. ``session``: number, from 1. Of
    each slot [max_slots]: ``winner``, index of the advertiser or -1; ``price_cpm``, $ per mille, NaN unless sold;
    ``reason``, index into ``auction.REASONS``; ``seen``; ``clicked``.
    """
    event = play_event(state, action, env.noise(key, state, params), params, env.config)
    is_open, is_sold, winner, price, reason, seen, clicked = (
        jnp.stack(of_slots)
        for of_slots in (
            *(event.is_open, event.sale.is_sold, event.sale.winner, event.sale.price, event.sale.reason),
            *(event.is_seen, event.is_clicked),
        )
    )
    is_filled = is_open & is_sold
    return {
        "opened_slots": event.counts.opened,
        "filled_slots": event.counts.filled,
        "impressions": event.counts.impressions,
        "clicks": event.counts.clicks,
        "revenue_micros": event.counts.revenue,
        "pressure": terms(state, params, env.config).pressure,
        "slot_type": state.slot_type,
        "has_user": state.has_user,
        "session": state.sessions,
        "winner": jnp.where(is_filled, winner, -1),
        "price_cpm": jnp.where(is_filled, price.astype(float) * (1 / MICROS), jnp.nan),
        "reason": jnp.where(is_open, reason, NOT_OPENED),
        "seen": seen,
        "clicked": clicked,
    }
