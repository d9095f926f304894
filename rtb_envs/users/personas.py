"""Personas: kinds of users whose clicks and purchases answer device, daypart, price and repetition differently.

The table and both formulas are those of the offline study's source model; fatigue, which the model leaves open, is a
state in [0, 1) that every exposure raises and every day without one lowers.

- click: propensity · creative quality · relevance · daypart · device · max(.1, 1 - fatigue) · (1 + affinity · match)
- conversion after a click: conversion · quality · (1 - sensitivity · min(1, price / budget))
  · (1 + .2 · affinity · match) · min(1, time / attention)

``match`` says whether the creative's brand is the user's (Bernoulli(1/2)), ``time`` is the time on the landing page,
exponential with mean ``attention``.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

DEVICES = ("mobile", "desktop", "tablet")
DAYPARTS = ("morning", "afternoon", "evening", "night")
PRICE_DOLLARS = 60.0
MATCH_PROBABILITY = 0.5
LEAST_INTEREST = 0.1
"""What is left of the click probability at the highest fatigue."""
BRAND_LIFT = 0.2
EXPECTED_ATTENTION = 1.0 - float(np.exp(-1.0))
"""E[min(1, time / attention)] with an exponential time of mean ``attention``."""


class Personas(NamedTuple):
    """The kinds of users, an entry each."""

    names: tuple[str, ...]
    share: Float[np.ndarray, " personas"]
    """Of all users; sums to 1."""
    click_propensity: Float[np.ndarray, " personas"]
    conversion_rate: Float[np.ndarray, " personas"]
    price_sensitivity: Float[np.ndarray, " personas"]
    brand_affinity: Float[np.ndarray, " personas"]
    attention_seconds: Float[np.ndarray, " personas"]
    budget_dollars: Float[np.ndarray, " personas"]
    device: Float[np.ndarray, "personas devices"]
    """Multiplies the click probability, in the order of ``DEVICES``."""
    daypart: Float[np.ndarray, "personas dayparts"]
    """Multiplies the click probability, in the order of ``DAYPARTS``."""


_ROWS = {
    "impulse buyer": ((0.20, 0.08, 0.15, 0.30, 0.40, 2.5, 150), (1.4, 0.8, 1.0), (0.6, 0.9, 1.2, 0.8)),
    "researcher": ((0.15, 0.12, 0.02, 0.80, 0.60, 8.0, 300), (0.7, 1.5, 1.1), (1.0, 1.3, 1.1, 0.5)),
    "loyal": ((0.10, 0.15, 0.25, 0.20, 0.90, 5.0, 500), (1.1, 1.2, 0.9), (1.1, 1.0, 1.2, 0.9)),
    "window shopper": ((0.25, 0.05, 0.01, 0.90, 0.30, 1.5, 75), (1.3, 0.6, 1.1), (0.7, 0.8, 1.4, 1.0)),
    "price conscious": ((0.20, 0.06, 0.08, 0.95, 0.20, 4.0, 100), (1.2, 1.0, 0.8), (0.9, 1.0, 1.1, 0.8)),
    "brand loyal": ((0.10, 0.18, 0.30, 0.10, 0.95, 6.0, 800), (1.0, 1.3, 1.0), (1.0, 1.1, 1.0, 0.9)),
}


def _personas() -> Personas:
    numbers = np.array([row[0] for row in _ROWS.values()])
    device = np.array([row[1] for row in _ROWS.values()])
    daypart = np.array([row[2] for row in _ROWS.values()])
    share, click, conversion, sensitivity, affinity, attention, budget = numbers.T
    return Personas(tuple(_ROWS), share, click, conversion, sensitivity, affinity, attention, budget, device, daypart)


PERSONAS = _personas()
"""The six personas of the source model."""


def click_probability(
    propensity: ArrayLike,
    quality: ArrayLike,
    daypart: ArrayLike,
    device: ArrayLike,
    fatigue: ArrayLike,
    affinity: ArrayLike,
    match: ArrayLike,
    relevance: ArrayLike = 1.0,
) -> Array:
    """P(click | shown), at most 1; shapes broadcast. ``fatigue`` in [0, 1], ``match`` 0 or 1 (or its probability,
    which gives the expectation: the formula is linear in it)."""
    interest = jnp.maximum(LEAST_INTEREST, 1.0 - jnp.asarray(fatigue))
    brand = 1.0 + jnp.asarray(affinity) * match
    return jnp.minimum(1.0, jnp.asarray(propensity) * quality * relevance * daypart * device * interest * brand)


def conversion_probability(
    conversion_rate: ArrayLike,
    quality: ArrayLike,
    sensitivity: ArrayLike,
    price: ArrayLike,
    budget: ArrayLike,
    affinity: ArrayLike,
    match: ArrayLike,
    attention: ArrayLike,
) -> Array:
    """P(sign-up | click), at most 1; shapes broadcast. ``price`` and ``budget`` in dollars; ``attention`` is
    min(1, time / attention) or its expectation, ``EXPECTED_ATTENTION``."""
    affordable = 1.0 - jnp.asarray(sensitivity) * jnp.minimum(1.0, jnp.asarray(price) / budget)
    brand = 1.0 + BRAND_LIFT * jnp.asarray(affinity) * match
    return jnp.minimum(1.0, jnp.asarray(conversion_rate) * quality * affordable * brand * attention)


def fatigue_by_exposure(rate: ArrayLike, recovery: ArrayLike, num_exposures: int) -> Array:
    """Fatigue at the 1st, 2nd, ... of ``num_exposures`` exposures, a day apart: [..., num_exposures], from 0.

    An exposure takes the share ``rate`` of the interest that is left, 1 - fatigue; the day after it gives back the
    share ``recovery`` of the fatigue: f' = (f + rate · (1 - f)) · (1 - recovery). Both in [0, 1].
    """
    rate, kept = jnp.asarray(rate), 1.0 - jnp.asarray(recovery)
    fatigue = [jnp.zeros(jnp.broadcast_shapes(rate.shape, kept.shape))]
    for _ in range(num_exposures - 1):
        fatigue.append((fatigue[-1] + rate * (1.0 - fatigue[-1])) * kept)
    return jnp.stack(fatigue, axis=-1)
