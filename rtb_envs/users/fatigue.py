"""Ad fatigue: how repeated exposure wears a click rate out, and how it recovers.

The curve is fitted to click rates by exposure within users of Criteo's attribution data (Diemert et al., AdKDD 2017):
1, .847, .787, .728 at exposures 1, 2, 3, 5. It has a floor: unlike exp(-n) it does not go to 0, as published
returns do not. The recovery is an assumption of this project.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs.users.exact import rounded

FLOOR, RATE = 0.70, 0.62
HALF_LIFE_HOURS = 48.0


def exposure_pressure(
    pressure: Float[ArrayLike, "*#batch"], hours_since: Float[ArrayLike, "*#batch"], half_life_hours: ArrayLike
) -> Float[Array, "*batch"]:
    """n = 1 + S * 2**(-hours / half-life): the exposure being shown plus the decayed earlier ones.

    ``pressure`` S is the n of the exposure before, ``hours_since`` it; S = 0 where there was none.
    """
    return 1 + rounded(jnp.asarray(pressure) * jnp.exp2(-jnp.asarray(hours_since) / half_life_hours))


def fatigue(
    pressure: Float[ArrayLike, "*batch"],
    scale: float | Float[Array, ""] = 1.0,
    floor: float | Float[Array, ""] = FLOOR,
    rate: float | Float[Array, ""] = RATE,
) -> Float[Array, "*batch"]:
    """The factor of a click rate at n = ``pressure`` >= 1: floor + (1 - floor) exp(-rate (n - 1)), 1 at n = 1.

    ``scale`` in [0, 1] takes only that share of the loss.
    """
    return 1 - rounded(scale * (1 - floor) * -jnp.expm1(-rate * (jnp.asarray(pressure) - 1)))
