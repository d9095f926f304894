"""How long after a click its conversion arrives.

About 35 % of conversions arrive within an hour, half within a day (Chapelle, KDD 2014), some 87 % within two weeks:
no single exponential law does that (35 % in an hour would mean everything within a day). The law is a mixture of three
exponentials, of minutes, days and weeks, fitted to these shares and truncated at 30 days.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs.users.exact import pick

WEIGHTS = (0.345, 0.154, 0.501)
MEAN_HOURS = (0.355, 24.6, 319.0)
LONGEST_HOURS = 720.0


def conversion_delay(
    part_uniform: Float[ArrayLike, "*#batch"], delay_uniform: Float[ArrayLike, "*#batch"]
) -> Float[Array, "*batch"]:
    """Hours from click to conversion, in [0, 720], for two independent uniforms in (0, 1).

    The first picks the part of the mixture, the second is its quantile, each part truncated at 720 hours.
    """
    part_uniform = jnp.asarray(part_uniform)
    part = jnp.where(part_uniform < WEIGHTS[0], 0, jnp.where(part_uniform < WEIGHTS[0] + WEIGHTS[1], 1, 2))
    mean = pick(jnp.asarray(MEAN_HOURS, jnp.float32), part)
    within = -jnp.expm1(-LONGEST_HOURS / mean)
    return jnp.minimum(-mean * jnp.log1p(-jnp.asarray(delay_uniform) * within), LONGEST_HOURS)


def share_within(hours: Float[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """The share of conversions that arrive within ``hours`` of their click."""
    hours = jnp.clip(jnp.asarray(hours, jnp.float32), 0, LONGEST_HOURS)
    share: Array = jnp.zeros_like(hours)
    for weight, mean in zip(WEIGHTS, MEAN_HOURS, strict=True):
        share = share + weight * jnp.expm1(-hours / mean) / jnp.expm1(jnp.float32(-LONGEST_HOURS / mean))
    return share
