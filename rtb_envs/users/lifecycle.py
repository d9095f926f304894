"""The stages of a customer's journey, and what they are worth: lifetime value and churn.

Stages are int32 codes, in this order; ``STAGES`` names them.
"""

from __future__ import annotations

from enum import IntEnum

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from rtb_envs.users.exact import rounded


class Stage(IntEnum):
    """Where a customer is in its journey."""

    AWARENESS = 0
    INTEREST = 1
    CONSIDERATION = 2
    PURCHASE = 3
    RETENTION = 4
    CHURN_RISK = 5


STAGES: tuple[str, ...] = tuple(stage.name.lower() for stage in Stage)
CHURN_IDLE_HOURS = 720.0
"""A customer that comes back after more than 30 days is at risk of churn."""


def lifecycle_stage(
    idle_hours: Float[ArrayLike, "*#batch"],
    purchases: Float[ArrayLike, "*#batch"],
    cart_value: Float[ArrayLike, "*#batch"],
    visits: Float[ArrayLike, "*#batch"],
) -> Int[Array, "*batch"]:
    """The stage after an interaction (int32): the first rule that holds.

    Idle for more than 720 h: churn risk; more than 2 purchases: retention; any purchase: purchase; something in the
    cart: consideration; more than 3 visits: interest; else awareness. ``idle_hours`` is the time since the visit
    before this one (the visit itself ends it), the counts and the cart (dollars) those after the interaction.
    """
    purchases = jnp.asarray(purchases)
    rules = (
        (jnp.greater(idle_hours, CHURN_IDLE_HOURS), Stage.CHURN_RISK),
        (purchases > 2, Stage.RETENTION),
        (purchases > 0, Stage.PURCHASE),
        (jnp.greater(cart_value, 0), Stage.CONSIDERATION),
        (jnp.greater(visits, 3), Stage.INTEREST),
    )
    stage: Array = jnp.int32(Stage.AWARENESS)
    for holds, name in reversed(rules):
        stage = jnp.where(holds, jnp.int32(name), stage)
    return stage


def churn_probability(
    idle_hours: Float[ArrayLike, "*batch"], scale_hours: Float[ArrayLike, ""] = CHURN_IDLE_HOURS
) -> Float[Array, "*batch"]:
    """1 - exp(-idle / scale): an exponential hazard in the time since the last activity."""
    return -jnp.expm1(-jnp.asarray(idle_hours) / scale_hours)


def updated_lifetime_value(
    lifetime_value: Float[ArrayLike, "*#batch"],
    revenue: Float[ArrayLike, "*#batch"],
    margin: float | Float[Array, ""],
    smoothing: float = 0.1,
    purchases_a_year: float = 12.0,
) -> Float[Array, "*batch"]:
    """The lifetime value after a purchase of ``revenue``, in its unit.

    An exponential average of the yearly margin that the purchase stands for: .9 LTV + .1 * 12 * margin * revenue by
    default.
    """
    kept = rounded((1 - smoothing) * jnp.asarray(lifetime_value))
    return kept + rounded(smoothing * purchases_a_year * margin * jnp.asarray(revenue))
