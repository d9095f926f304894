"""Users' journeys: what repetition leaves of a creative's response, and users who meet every creative of a slate.

Impressions are bought at the auction's CPM, so a creative that is shown to few users over and over costs more a
sign-up: its forecast and a test of a few days know the response of fresh users only.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int
from numpy.typing import NDArray

from rtb_envs import compile as compiling
from rtb_envs.random import Stream
from rtb_envs.studies.offline.baselines import NUM_EXPOSURES
from rtb_envs.studies.offline.calibration import Fit, persona_weights
from rtb_envs.studies.offline.thompson import Arms, Run, cac_quantiles
from rtb_envs.users.personas import (
    BRAND_LIFT,
    DAYPARTS,
    DEVICES,
    EXPECTED_ATTENTION,
    LEAST_INTEREST,
    MATCH_PROBABILITY,
    PERSONAS,
    PRICE_DOLLARS,
    fatigue_by_exposure,
)

Floats = NDArray[np.float64]
PERSONA_SITE, DEVICE_SITE, DAYPART_SITE, MATCH_SITE = 11, 12, 13, 14


def exposure_weights(frequency: Floats) -> Floats:
    """How much of each exposure 1..8 a creative's average user gets [creatives, 8]; a row sums to its frequency."""
    return np.clip(frequency[:, None] - np.arange(NUM_EXPOSURES), 0.0, 1.0)


def interest_left(rate: Floats, recovery: Floats, frequency: Floats) -> Floats:
    """Mean click interest over a creative's exposures, relative to a fresh user's: [parameter sets, creatives]."""
    kept = 1.0 - recovery
    fatigue = np.zeros((len(rate), NUM_EXPOSURES))
    for exposure in range(1, NUM_EXPOSURES):
        before = fatigue[:, exposure - 1]
        fatigue[:, exposure] = (before + rate * (1.0 - before)) * kept
    interest = np.maximum(LEAST_INTEREST, 1.0 - fatigue)
    return np.asarray(interest @ exposure_weights(frequency).T / frequency)


def journey_ranking(
    arms: Arms, tested: Run, fitted: Fit, frequency: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All creatives, cheapest first: by Thompson's posterior alone, and by it over the journeys that follow.

    Both know the same tested days; the second divides the median CAC by the interest that repetition leaves. Stopped
    creatives come last in both, those that are not for sale after them.
    """
    cac = np.where(np.isfinite(arms.cost_per_impression), cac_quantiles(arms, tested.a, tested.b)[1], np.inf)
    left = interest_left(np.array([fitted.fatigue_rate]), np.array([fitted.fatigue_recovery]), frequency)[0]
    last = np.where(np.isfinite(cac), tested.stopped_on >= 0, 2)
    return np.lexsort((cac, last)), np.lexsort((cac / left, last))


@dataclass(frozen=True)
class Population:
    """Users and what meets them; index arrays into the personas, devices and dayparts."""

    persona: Int[Array, " users"]
    device: Int[Array, " users"]
    daypart: Int[Array, "users exposures"]
    match: Float[Array, "users creatives"]


def population(stream: Stream, num_users: int, numbers: ArrayLike) -> Population:
    """``num_users`` users; what a user is and when it is shown something does not depend on the creatives."""
    users = jnp.arange(num_users, dtype=jnp.uint32)
    below = jnp.asarray(np.cumsum(PERSONAS.share)[:-1], jnp.float32)
    persona = (stream.site(PERSONA_SITE).uniform(users)[:, None] >= below).sum(axis=1)
    device = (stream.site(DEVICE_SITE).uniform(users) * len(DEVICES)).astype(jnp.int32)
    exposures = stream.site(DAYPART_SITE).step(jnp.arange(NUM_EXPOSURES))
    daypart = (exposures.uniform(users[:, None]) * len(DAYPARTS)).astype(jnp.int32)
    match = stream.site(MATCH_SITE).step(numbers).uniform(users[:, None]) < MATCH_PROBABILITY
    return Population(persona, device, daypart, match.astype(jnp.float32))


def relative_response(
    users: Population,
    weights: Float[Array, "creatives exposures"],
    dayparts: Float[Array, " dayparts"],
    fatigue_rate: Array,
    fatigue_recovery: Array,
) -> Float[Array, "users creatives"]:
    """Expected sign-ups of each user over its exposures to each creative, in those of a fresh average user's one.

    The expectation is over clicks, time on page and sign-ups, given who the user is, when it is shown the creative and
    whether the brand is its own: the same journeys, with less noise than their coins would add.
    """
    propensity, conversion, affinity = (
        jnp.asarray(column, jnp.float32)[users.persona][:, None]
        for column in (PERSONAS.click_propensity, PERSONAS.conversion_rate, PERSONAS.brand_affinity)
    )
    affordable = 1.0 - PERSONAS.price_sensitivity * np.minimum(1.0, PRICE_DOLLARS / PERSONAS.budget_dollars)
    device = jnp.asarray(PERSONAS.device, jnp.float32)[users.persona, users.device][:, None]
    worth = propensity * device * conversion * jnp.asarray(affordable, jnp.float32)[users.persona][:, None]
    brand = (1.0 + affinity * users.match) * (1.0 + BRAND_LIFT * affinity * users.match)
    moment = jnp.asarray(PERSONAS.daypart, jnp.float32)[users.persona[:, None], users.daypart] * dayparts[users.daypart]
    interest = jnp.maximum(LEAST_INTEREST, 1.0 - fatigue_by_exposure(fatigue_rate, fatigue_recovery, NUM_EXPOSURES))
    fresh = (jnp.asarray(persona_weights()[1].sum(axis=0), jnp.float32) * dayparts).mean()
    return worth * brand * EXPECTED_ATTENTION * ((moment * interest) @ weights.T) / fresh


@functools.cache
def _program(num_users: int) -> Any:
    def slate_signups(stream: Stream, numbers: Array, weights: Array, drawn: Array, per_dollar: Array) -> Array:
        users = population(stream, num_users, numbers)
        num_dayparts = len(DAYPARTS)

        def of_draw(given: tuple[Array, Array]) -> Array:
            parameters, worth = given
            response = relative_response(
                users, weights, parameters[:num_dayparts], parameters[num_dayparts], parameters[num_dayparts + 1]
            )
            return response @ worth

        result: Array = jax.lax.map(of_draw, (drawn, per_dollar))
        return result

    return compiling.jit(slate_signups)


def simulate_slates(
    seed: int,
    num_users: int,
    numbers: NDArray[np.uint32],
    frequency: Floats,
    drawn: Floats,
    signups_per_dollar: Floats,
) -> Floats:
    """Expected sign-ups a dollar of each user, [parameter draws, users, slates].

    ``numbers`` and ``frequency`` [creatives]; ``drawn`` [draws, dayparts + 2] as ``Fit.draws`` gives them;
    ``signups_per_dollar`` [draws, creatives, slates] is that of fresh users, times the creative's share of the slate's
    budget, 0 for one that is not in the slate. Every slate meets the same users at the same moments.
    """
    weights = exposure_weights(frequency) / frequency[:, None]
    program = _program(num_users)
    stream = Stream.from_key(jax.random.key(seed))
    given = (np.asarray(value, np.float32) for value in (weights, drawn, signups_per_dollar))
    return np.asarray(program(stream, numbers, *given), np.float64)
