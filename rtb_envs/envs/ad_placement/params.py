"""The numbers of an AdPlacement and its state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.ad_placement.config import LEAST_AMOUNT, MAX_CPM, MAX_HORIZON
from rtb_envs.envs.ad_placement.fixed_point import PRESSURE_BITS, probability
from rtb_envs.envs.replacing import SHARE, Range, fitted, known_fields
from rtb_envs.pytrees import pytree

NO_BUDGET = 2**31 - 1
"""Stands for an advertiser's budget without limit."""
_CPM = Range(0, MAX_CPM)
RANGES = {
    "horizon": Range(1, MAX_HORIZON),
    "ctr": SHARE,
    "quality": Range(0, 10),
    "bid_cpm": _CPM,
    "value_per_click": Range(0, 1e4),
    "daily_budget": Range(1, NO_BUDGET),
    "viewability": SHARE,
    "floor_cpm": _CPM,
    "slot_type_share": Range(0, 1e6, open_low=True),
    "floor_multiplier": Range(0, 1000),
    "hybrid_weight": SHARE,
    "noise": Range(0, 0.05),
    "fatigue_sensitivity": Range(0, 2),
    "fatigue_floor": SHARE,
    "pressure_half_life": Range(0.1, 20),
    "leaving_hazard": Range(0, 0.5),
    "patience": Range(0, 60),
    "annoyance_hazard": Range(0, 0.5),
    "arrival_rate": Range(LEAST_AMOUNT, 1),
    "hour_weight": Range(0, 1e3),
    "user_ctr_factor": Range(0, 100),
    "max_ecpm": Range(LEAST_AMOUNT, MAX_CPM),
    "max_exposures": Range(1, 1e6),
}
"""What the market's numbers may be."""


@pytree
@dataclass(frozen=True)
class Derived:
    """What follows from the other numbers; made by ``derive``."""

    inverse_horizon: Float[Array, ""]
    floor_cpm: Float[Array, "slot_types"]
    """After the multiplier."""
    slot_type_until: Int[Array, "slot_types"]
    """Cumulative shares of the slot types, in units of 2**-30."""
    click_value_per_mille: Float[Array, "advertisers"]
    bid_charge: Int[Array, "advertisers"]
    """What ``max_slots`` impressions can cost an advertiser, in micro-dollars; one must have it left to take part."""
    top_bid_cpm: Float[Array, "slot_types"]
    """The highest-ranked bid for an undisturbed impression on an unwearied user: what to expect before any sale."""
    decay: Int[Array, ""]
    """Share of its pressure that a user keeps from event to event, in units of 2**-12."""
    fatigue_floor: Int[Array, ""]
    patience: Int[Array, ""]
    """In units of 2**-12 impressions."""
    leaving: Int[Array, ""]
    arriving: Int[Array, "24"]
    """Chances in an event, in units of 2**-30; that of arriving by the hour."""
    pressure_scale: Float[Array, ""]
    """The pressure that an observation of 1 stands for."""


@pytree
@dataclass(frozen=True)
class Params:
    """Every number of the market. Money in $, prices in $ per mille. Change numbers through ``replace``."""

    horizon: Int[Array, ""]
    """Events of an episode, which is one day."""
    ctr: Float[Array, "advertisers"]
    quality: Float[Array, "advertisers"]
    bid_cpm: Float[Array, "advertisers"]
    """Of the classic market; 0 in the real one."""
    value_per_click: Float[Array, "advertisers"]
    """Of the real market; 0 in the classic one."""
    daily_budget: Int[Array, "advertisers"]
    """Micro-dollars."""
    is_limited: Bool[Array, "advertisers"]
    """Whether an advertiser has a budget."""
    takes_format: Bool[Array, "slot_types advertisers"]
    viewability: Float[Array, "slot_types"]
    floor_cpm: Float[Array, "slot_types"]
    slot_type_share: Float[Array, "slot_types"]
    """Positive, of any sum."""
    floor_multiplier: Float[Array, ""]
    hybrid_weight: Float[Array, ""]
    """Share of the first price under hybrid pricing, 0 .. 1."""
    noise: Float[Array, ""]
    """Click rates are disturbed by a uniform number within +- this."""
    fatigue_sensitivity: Float[Array, ""]
    """s of the fatigue exp(-s * pressure), 0 .. 2."""
    fatigue_floor: Float[Array, ""]
    """Share of the click rate that no pressure takes away, 0 .. 1."""
    pressure_half_life: Float[Array, ""]
    """Events in which a user forgets half of the pressure."""
    leaving_hazard: Float[Array, ""]
    """Chance that an unpressed user's session ends after an event."""
    patience: Float[Array, ""]
    """Pressure that drives nobody away, in impressions."""
    annoyance_hazard: Float[Array, ""]
    """What each squared impression of pressure beyond patience adds to the chance."""
    arrival_rate: Float[Array, ""]
    """Chance, on the day's average, that the next user is there in an event without one."""
    hour_weight: Float[Array, "24"]
    """Of the arrival rate."""
    user_ctr_factor: Float[Array, "user_types"]
    """A user's type is drawn evenly; its factor multiplies every click rate."""
    max_ecpm: Float[Array, ""]
    """The price that an observation of 1 stands for; higher ones are cut."""
    max_exposures: Float[Array, ""]
    """The impressions of a session that an observation of 1 stands for, and the events of its age."""
    num_slots: Int[Array, ""]
    """Slots that can be opened in one event: the static ``max_slots``."""
    derived: Derived | None = None

    @property
    def numbers(self) -> Derived:
        """``derived``, which is there outside of ``derive``."""
        assert self.derived is not None
        return self.derived

    def replace(self, **changes: Any) -> Params:
        """These parameters with some numbers changed, in their types and shapes, and everything derived built anew.

        One number serves every advertiser or slot type. Raises TypeError or ValueError, naming the field, for what an
        option would be refused for. Works under jit and vmap: numbers that are traced are clipped to their ranges.
        ``num_slots`` is static, and ``noise`` has an effect only in a market that was made with some.
        """
        known_fields(self, changes, but=("derived", "num_slots"))
        return derive(replace(self, **fitted(self, changes, RANGES)))


def derive(params: Params) -> Params:
    """``params`` with ``derived`` computed from the other fields."""
    click_value = params.value_per_click * 1000
    is_classic = params.bid_cpm > 0
    viewable = jnp.minimum(params.viewability, 1)[:, None]
    bid = jnp.where(is_classic, params.bid_cpm, jnp.minimum(params.ctr * click_value, MAX_CPM))
    score = bid * jnp.where(is_classic, viewable * params.ctr, 1) * params.quality
    score = jnp.where(params.takes_format, score, -1)
    best = jnp.argmax(score, axis=1)
    has_any = jnp.any(params.takes_format, axis=1)
    largest_bid = jnp.where(is_classic, params.bid_cpm, jnp.minimum(_largest_ctr(params) * click_value, MAX_CPM))
    decay = jnp.exp2(-1 / params.pressure_half_life)
    until = jnp.cumsum(params.slot_type_share) / jnp.sum(params.slot_type_share)
    derived = Derived(
        inverse_horizon=1 / params.horizon.astype(float),
        floor_cpm=jnp.minimum(params.floor_cpm * params.floor_multiplier, MAX_CPM),
        slot_type_until=probability(until),
        click_value_per_mille=click_value,
        bid_charge=params.num_slots * jnp.ceil(largest_bid * 1000 + 1).astype(jnp.int32),
        top_bid_cpm=jnp.where(has_any, bid[best], 0),
        decay=jnp.floor(decay * 2.0**PRESSURE_BITS).astype(jnp.int32),
        fatigue_floor=probability(params.fatigue_floor),
        patience=jnp.round(params.patience * 2.0**PRESSURE_BITS).astype(jnp.int32),
        leaving=probability(params.leaving_hazard),
        arriving=probability(jnp.clip(params.arrival_rate * params.hour_weight, 0, 1)),
        pressure_scale=params.num_slots / (1 - decay),
    )
    return replace(params, derived=derived)


def _largest_ctr(params: Params) -> Float[Array, "advertisers"]:
    return jnp.minimum(params.ctr * jnp.max(params.user_ctr_factor) + params.noise, 1)
