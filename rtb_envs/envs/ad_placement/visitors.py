"""Users of the site: sessions, what they have been shown, and how that wears on them."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.ad_placement import fixed_point
from rtb_envs.envs.ad_placement.config import Config
from rtb_envs.envs.ad_placement.fixed_point import (
    LARGEST_PRESSURE,
    PRESSURE_BITS,
    as_probability,
    probability,
    recovered,
)
from rtb_envs.envs.ad_placement.noise import Visit
from rtb_envs.envs.ad_placement.params import Params
from rtb_envs.envs.ad_placement.state import State
from rtb_envs.users.exact import once, pick


class Visitor(NamedTuple):
    """Who is there in the coming event, and on which kind of page."""

    slot_type: Int[Array, ""]
    has_user: Bool[Array, ""]
    is_new: Bool[Array, ""]
    user_factor: Float[Array, ""]
    pressure: Int[Array, ""]
    exposures: Int[Array, ""]
    session_age: Int[Array, ""]


def pressure(state: State, config: Config) -> Float[Array, ""]:
    """Pressure on the user, in impressions: recent ones, forgotten by half-life; classic: impressions per event."""
    if config.market == "real":
        return fixed_point.pressure(state.pressure)
    return state.episode.impressions / jnp.maximum(state.t, 1)


def fatigue(pressure: Float[Array, ""], params: Params, config: Config) -> Float[Array, ""]:
    """What click rates are multiplied by: exp(-s * pressure).

    In the real market f + (1 - f) * exp(-s * pressure): exposures take away only a part (of clicks on Criteo's ads
    .70 remained; .70 + .30 * exp(-.62 * (n - 1)) fits the n-th exposure).
    """
    remaining = jnp.exp(-params.fatigue_sensitivity * pressure)
    if config.market == "classic":
        return remaining
    return as_probability(params.numbers.fatigue_floor + probability((1 - params.fatigue_floor) * remaining))


def first_visit(draw: Visit, params: Params, config: Config) -> Visitor:
    """A day begins with a new user."""
    nothing = jnp.zeros((), jnp.int32)
    here = jnp.ones((), bool)
    return Visitor(_slot_type(draw, params), here, here, _user_factor(draw, params), nothing, nothing, nothing)


def next_visit(state: State, impressions: Int[Array, ""], draw: Visit, params: Params, config: Config) -> Visitor:
    """Who is there after an event with so many impressions.

    A session ends with the chance ``leaving_hazard + annoyance_hazard * max(0, pressure - patience)**2``; the next
    user comes after a number of events that is geometric with the hour's arrival rate. In the classic market nobody
    leaves.
    """
    exposures, age = state.exposures + impressions, state.session_age + 1
    slot_type = _slot_type(draw, params)
    if config.market == "classic":
        here, nobody = jnp.ones((), bool), jnp.zeros((), bool)
        return Visitor(slot_type, here, nobody, state.user_factor, state.pressure, exposures, age)
    numbers = params.numbers
    shown = recovered(state.pressure, numbers.decay) + (impressions << PRESSURE_BITS)
    shown = jnp.minimum(shown, int(LARGEST_PRESSURE * 2**PRESSURE_BITS) - 1)
    excess = fixed_point.pressure(jnp.maximum(shown - numbers.patience, 0))
    annoyance = probability(jnp.minimum(params.annoyance_hazard * excess * excess, 0.5))
    uniform = probability(draw.session)
    leaves = state.has_user & (uniform < numbers.leaving + annoyance)
    # The hour of the event that the user would come in.
    share = (state.t.astype(float) + 1.5) * numbers.inverse_horizon
    rate = pick(numbers.arriving, jnp.clip((share * 24).astype(jnp.int32), 0, 23))
    fate = once((state.has_user & ~leaves) + 2 * (~state.has_user & (uniform < rate)).astype(jnp.int32))
    stays, arrives = fate == 1, fate == 2
    return Visitor(
        slot_type=slot_type,
        has_user=stays | arrives,
        is_new=arrives,
        user_factor=jnp.where(arrives, _user_factor(draw, params), state.user_factor),
        pressure=jnp.where(stays, shown, 0),
        exposures=jnp.where(stays, exposures, 0),
        session_age=jnp.where(stays, age, 0),
    )


def _slot_type(draw: Visit, params: Params) -> Int[Array, ""]:
    until, drawn = params.numbers.slot_type_until, probability(draw.slot_type)
    kind = jnp.zeros((), jnp.int32)
    for i in range(until.shape[0] - 1):
        kind = kind + (drawn >= until[i])
    return once(kind)


def _user_factor(draw: Visit, params: Params) -> Float[Array, ""]:
    kinds = params.user_ctr_factor.shape[0]
    return pick(params.user_ctr_factor, jnp.minimum((draw.user * kinds).astype(jnp.int32), kinds - 1))
