"""Whole numbers that stand for probabilities, pressure and money.

Compilers contract a product and a sum into one rounding where it suits them, in a batch otherwise than alone. What is
added here is therefore a whole number first, and sums are exact whatever program they are part of.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

PROBABILITY_BITS = 30
PRESSURE_BITS = 12
LARGEST_PRESSURE = 2.0**6
"""Pressure in impressions is cut here, so that its product with a decay fits int32."""
IMPRESSION_BITS = 10
MICROS = 1_000_000
"""Micro-dollars of a dollar; prices are micro-dollars per mille, charges micro-dollars."""
PER_MILLE = 1000


def probability(value: Float[Array, "*batch"]) -> Int[Array, "*batch"]:
    """``value`` in [-1, 1] in units of 2**-30."""
    units: Array = jnp.round(value * 2.0**PROBABILITY_BITS).astype(jnp.int32)
    return units


def as_probability(units: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The float32 of units of 2**-30."""
    value: Array = units.astype(jnp.float32) * jnp.float32(2.0**-PROBABILITY_BITS)
    return value


def pressure(units: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Impressions, from units of 2**-12."""
    value: Array = units.astype(jnp.float32) * jnp.float32(2.0**-PRESSURE_BITS)
    return value


def recovered(units: Int[Array, "*batch"], decay: Int[Array, ""]) -> Int[Array, "*batch"]:
    """Pressure after one event: times ``decay`` in units of 2**-12, rounded down."""
    after: Array = (units * decay) >> PRESSURE_BITS
    return after


def price_micros(cpm: Float[Array, "*batch"]) -> Int[Array, "*batch"]:
    """A CPM in $, at most ``MAX_CPM``, in micro-dollars."""
    micros: Array = jnp.round(cpm * MICROS).astype(jnp.int32)
    return micros


def charge_micros(price: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
    """What one impression at a price in micro-dollars per mille is charged, in whole micro-dollars, halves up."""
    charge: Array = lax.div(price + PER_MILLE // 2, jnp.int32(PER_MILLE))
    return charge
