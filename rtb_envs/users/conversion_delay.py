"""How long after a click its conversion arrives.

About 35 % of conversions arrive within an hour, half within a day (Chapelle, KDD 2014), some 87 % within two weeks:
no single exponential law does that (35 % in an hour would mean everything within a day). The law is a mixture of three
exponentials, of minutes, days and weeks, fitted to these shares and truncated at 30 days.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs.users.exact import pick

WEIGHTS = (0.345, 0.154, 0.501)
MEAN_HOURS = (0.355, 24.6, 319.0)
LONGEST_HOURS = 720.0
_WITHIN = tuple(-math.expm1(-LONGEST_HOURS / mean) for mean in MEAN_HOURS)
"""Of each part what lies within the 30 days that the whole mixture is conditioned on."""
_TOTAL = sum(weight * within for weight, within in zip(WEIGHTS, _WITHIN, strict=True))
_SHARES = tuple(weight * within / _TOTAL for weight, within in zip(WEIGHTS, _WITHIN, strict=True))


def conversion_delay(
    part_uniform: Float[ArrayLike, "*#batch"], delay_uniform: Float[ArrayLike, "*#batch"]
) -> Float[Array, "*batch"]:
    """Hours from click to conversion, in [0, 720], for two independent uniforms in (0, 1).

    The first picks the part of the mixture, the second is its quantile; the mixture is conditioned on 720 hours.
    """
    part_uniform = jnp.asarray(part_uniform)
    part = jnp.where(part_uniform < _SHARES[0], 0, jnp.where(part_uniform < _SHARES[0] + _SHARES[1], 1, 2))
    mean = pick(jnp.asarray(MEAN_HOURS, jnp.float32), part)
    within = pick(jnp.asarray(_WITHIN, jnp.float32), part)
    return jnp.minimum(-mean * jnp.log1p(-jnp.asarray(delay_uniform) * within), LONGEST_HOURS)


def share_within(hours: Float[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """The share of conversions that arrive within ``hours`` of their click."""
    hours = jnp.clip(jnp.asarray(hours, jnp.float32), 0, LONGEST_HOURS)
    share: Array = jnp.zeros_like(hours)
    for weight, mean in zip(WEIGHTS, MEAN_HOURS, strict=True):
        share = share - weight / _TOTAL * jnp.expm1(-hours / mean)
    return share
