"""The customers: one row of fields for each, and how they look when an episode begins.

All fields of a customer lie in one row of one float32 array, so that an opportunity reads and writes one place of
memory however many advertisers there are; ``read`` and ``write`` give it names. Counts below 2**24 are exact there.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.retargeting.config import NUM_CATEGORIES
from rtb_envs.envs.retargeting.noise import Population
from rtb_envs.envs.retargeting.params import Params, ResponseParams
from rtb_envs.users.attribution import NO_TOUCH
from rtb_envs.users.exact import after, once
from rtb_envs.users.lifecycle import CHURN_IDLE_HOURS, Stage

LONG_AGO = -1e6
"""Hours: when the last exposure was where there has been none."""
_SCALARS = 9


class Customer(NamedTuple):
    """The fields of some customers; times are hours since the episode's beginning, money is dollars."""

    visits: Float[Array, "*batch"]
    purchases: Float[Array, "*batch"]
    total_spent: Float[Array, "*batch"]
    last_activity: Float[Array, "*batch"]
    cart_value: Float[Array, "*batch"]
    lifetime_value: Float[Array, "*batch"]
    conversion_probability: Float[Array, "*batch"]
    stage: Int[Array, "*batch"]
    category: Int[Array, "*batch"]
    pressure: Float[Array, "*batch agents"]
    """Of each advertiser's exposures, at the last one (``users.fatigue``)."""
    last_exposure: Float[Array, "*batch agents"]
    touch_agent: Int[Array, "*batch touches"]
    """The last clicks, oldest first: whose,"""
    touch_hours: Float[Array, "*batch touches"]
    """and when."""


def looked_up(customers: Float[Array, "customers fields"], index: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
    """``index``, known when one field of each customer there has been read.

    The rows of a batch lie all over the memory. Reading a field of each waits for many of them at once, where copying
    whole rows waits for one or two at a time; the rows are in the cache when ``read`` needs them.
    """
    visits = customers.at[index, 0].get(mode="promise_in_bounds")
    return once(after(index, visits))


def read(row: Float[Array, "*batch fields"], agents: int) -> Customer:
    """The fields of rows."""
    scalars = [row[..., i] for i in range(_SCALARS)]
    scalars[7:] = [value.astype(jnp.int32) for value in scalars[7:]]
    rest = row[..., _SCALARS:]
    touches = (rest.shape[-1] - 2 * agents) // 2
    ends = (agents, 2 * agents, 2 * agents + touches)
    who = rest[..., ends[1] : ends[2]].astype(jnp.int32)
    return Customer(*(*scalars, rest[..., : ends[0]], rest[..., ends[0] : ends[1]], who, rest[..., ends[2] :]))


def write(customer: Customer) -> Float[Array, "*batch fields"]:
    """The rows of fields."""
    scalars = jnp.stack([jnp.asarray(value, float) for value in customer[:_SCALARS]], axis=-1)
    rest = [jnp.asarray(value, float) for value in customer[_SCALARS:]]
    return jnp.concatenate([scalars, *rest], axis=-1)


def initial_customers(drawn: Population, params: Params, agents: int, touches: int) -> Customer:
    """The customers of a beginning episode, their fields consistent with the stages drawn from the mix."""
    response = params.response
    below = jnp.cumsum(params.stage_mix)[:-1]
    stage = jnp.sum(drawn.stage[:, None] >= below, axis=1, dtype=jnp.int32)
    awareness, interest, consideration, purchase, retention, churn = (stage == name for name in Stage)
    visits = jnp.where(awareness, _whole(drawn.visits, 0, 3), _whole(drawn.visits, 1, 8))
    visits = jnp.where(interest, _whole(drawn.visits, 4, 8), visits)
    purchases = jnp.where(purchase, _whole(drawn.purchases, 1, 2), 0.0)
    purchases = jnp.where(retention, _whole(drawn.purchases, 3, 5), purchases)
    within = 1 - jnp.exp(-CHURN_IDLE_HOURS / params.mean_idle_hours)
    idle = -params.mean_idle_hours * jnp.log1p(-drawn.idle * jnp.where(churn, 1, within))
    idle = jnp.where(churn, CHURN_IDLE_HOURS + idle, jnp.minimum(idle, CHURN_IDLE_HOURS))
    none = jnp.zeros((*stage.shape, agents), float)
    path = (*stage.shape, touches)
    return Customer(
        visits=visits,
        purchases=purchases,
        total_spent=purchases * response.mean_revenue,
        last_activity=-idle,
        cart_value=jnp.where(consideration, cart_value(drawn.cart_value, response), 0.0),
        lifetime_value=12 * response.margin * response.mean_revenue * (1 - 0.9**purchases),
        conversion_probability=conversion_probability(drawn.conversion, response),
        stage=stage,
        category=category(drawn.category),
        pressure=none,
        last_exposure=none + LONG_AGO,
        touch_agent=jnp.full(path, NO_TOUCH, jnp.int32),
        touch_hours=jnp.full(path, LONG_AGO, float),
    )


def fresh_customer(left: Customer, conversion: Array, category: Array, now: Array) -> Customer:
    """Who takes the place of ``left``: somebody unknown to every advertiser, in awareness."""
    none = jnp.zeros_like(left.visits)
    return Customer(
        visits=none,
        purchases=none,
        total_spent=none,
        last_activity=now,
        cart_value=none,
        lifetime_value=none,
        conversion_probability=conversion,
        stage=jnp.full_like(left.stage, Stage.AWARENESS),
        category=category,
        pressure=jnp.zeros_like(left.pressure),
        last_exposure=jnp.full_like(left.last_exposure, LONG_AGO),
        touch_agent=jnp.full_like(left.touch_agent, NO_TOUCH),
        touch_hours=jnp.full_like(left.touch_hours, LONG_AGO),
    )


def conversion_probability(uniform: Array, response: ResponseParams) -> Array:
    """The quantile of the customers' conversion probabilities."""
    size = response.conversion_quantiles.shape[0]
    place = jnp.minimum(jnp.floor(uniform * size).astype(jnp.int32), size - 1)
    return response.conversion_quantiles[place]


def category(uniform: Array) -> Int[Array, "*batch"]:
    """A preferred category, each as likely."""
    return jnp.floor(uniform * NUM_CATEGORIES).astype(jnp.int32)


def cart_value(uniform: Array, response: ResponseParams) -> Array:
    """Dollars put into a cart."""
    spread = response.cart_high - response.cart_low
    return response.cart_low + jnp.maximum(uniform * spread, 0)


def _whole(uniform: Array, low: int, high: int) -> Array:
    """An even draw of the whole numbers ``low`` to ``high``, as floats."""
    return low + jnp.floor(uniform * (high - low + 1))
