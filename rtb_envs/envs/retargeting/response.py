"""What the customer of one opportunity does: click, buy, fill the cart, move on, leave."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.retargeting.config import CENTS, Config
from rtb_envs.envs.retargeting.customers import (
    Customer,
    cart_value,
    category,
    conversion_probability,
    fresh_customer,
)
from rtb_envs.envs.retargeting.noise import Responses
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.users.attribution import attribution_credit
from rtb_envs.users.conversion_delay import conversion_delay
from rtb_envs.users.exact import once, once_flags, pick, rounded
from rtb_envs.users.fatigue import exposure_pressure, fatigue
from rtb_envs.users.lifecycle import lifecycle_stage, updated_lifetime_value

LARGEST_AMOUNT = 4000
"""Dollars; a larger purchase is cut, so that cents times credit fit into uint32."""


class Response(NamedTuple):
    """What came of an opportunity."""

    customer: Customer
    """The customer afterwards, or who has taken its place."""
    click: Bool[Array, ""]
    conversion: Bool[Array, ""]
    """A purchase that followed the click."""
    organic: Bool[Array, ""]
    """A purchase without one."""
    organic_masked: Bool[Array, ""]
    """What the organic draw gives where no exposure counts: the same state and the same draws."""
    exposed: Bool[Array, ""]
    """Whether an exposure of the last days counts in the organic draw, and that draw decides: no conversion came."""
    revenue: Int[Array, ""]
    """Of the purchase, in cents, 0 without one."""
    first_purchase: Bool[Array, ""]
    credit: Int[Array, "agents"]
    """Who is credited with the purchase, in ten-thousandths; sums to 10,000 or 0."""
    delay_hours: Float[Array, ""]
    """Between the click and the arrival of its conversion, 0 without one."""
    lifetime_value: Int[Array, ""]
    """After the purchase, in cents."""
    left: Bool[Array, ""]


def click_rate(
    predicted_ctr: Float[Array, ""],
    noise: Float[Array, ""],
    drift: Float[Array, ""],
    factor: Float[Array, ""],
    params: Params,
) -> Float[Array, ""]:
    """The true click rate: the predicted one off by ``noise`` in its logit, times drift and ``factor``, capped."""
    odds = rounded(predicted_ctr / (1 - predicted_ctr) * jnp.exp(noise))
    true = odds / (1 + odds)
    return jnp.minimum(true * drift * factor, params.response.ctr_cap)


def intensity_factor(intensity: Float[Array, "*batch"], params: Params) -> Float[Array, "*batch"]:
    """What campaign intensity multiplies the click rate with."""
    return 1 + rounded(params.response.ctr_per_intensity * intensity)


def own_pressure(customer: Customer, hours: Float[Array, ""], params: Params) -> Float[Array, "*batch agents"]:
    """n of ``users.fatigue`` if each advertiser's ad were shown now."""
    since = hours - customer.last_exposure
    return exposure_pressure(customer.pressure, since, params.response.fatigue_half_life_hours)


def fatigue_factor(pressure: Float[Array, "*batch"], params: Params) -> Float[Array, "*batch"]:
    """What fatigue multiplies the click rate with, at the market's realism."""
    return fatigue(pressure, params.realism, params.response.fatigue_floor, params.response.fatigue_rate)


def respond(
    config: Config,
    params: Params,
    hours: Float[Array, ""],
    drift: Float[Array, ""],
    customer: Customer,
    predicted_ctr: Float[Array, ""],
    winner: Int[Array, ""],
    intensity: Float[Array, "agents"],
    draw: Responses,
) -> Response:
    """One opportunity at ``hours``, ``winner`` (or nobody: -1) having won it; ``draw`` holds its scalars."""
    response = params.response
    agents = jnp.arange(config.num_agents)
    shown = (agents == winner) & params.shown
    is_shown = (winner >= 0) & pick(params.shown, winner)
    stage = customer.stage

    pressure = own_pressure(customer, hours, params)
    fatigued = fatigue_factor(pick(pressure, winner), params)
    mine = jnp.where(is_shown, fatigued * intensity_factor(pick(intensity, winner), params), 0)
    noise = response.ctr_noise * params.realism * draw.ctr_noise
    rate = click_rate(predicted_ctr, noise, drift, pick(response.ctr_factor, stage) * mine, params)
    click = draw.click < rate
    cvr = jnp.minimum(customer.conversion_probability * pick(response.cvr_factor, stage), 1)
    conversion = click & (draw.conversion < cvr)

    customer = customer._replace(
        pressure=jnp.where(shown, pressure, customer.pressure),
        last_exposure=jnp.where(shown, hours, customer.last_exposure),
    )
    exposed = functools.reduce(jnp.logical_or, hours - customer.last_exposure <= response.ad_effect_hours)
    organic_probability = pick(response.organic_probability, stage)
    lifted = organic_probability * jnp.where(exposed, 1 + response.ad_effect, 1)
    organic = ~conversion & (draw.organic < lifted)
    organic_masked = ~conversion & (draw.organic < organic_probability)
    left = draw.leaving < response.leaving_probability
    # The click apart from what follows: with two readers the click rate is computed before them, in wide instructions.
    conversion, organic, organic_masked, exposed, left = once_flags(
        conversion, organic, organic_masked, exposed & ~conversion, left
    )
    (click,) = once_flags(click)
    customer = customer._replace(
        touch_agent=_pushed(customer.touch_agent, winner, click),
        touch_hours=_pushed(customer.touch_hours, hours, click),
    )

    purchase = conversion | organic
    dollars = jnp.where(purchase, _revenue(draw.revenue, stage, params), 0.0)
    cents = once(_cents(dollars))
    touch_credit = attribution_credit(
        customer.touch_agent, hours - customer.touch_hours, config.attribution, response.attribution_hours
    )
    by_agent = jnp.where(customer.touch_agent[:, None] == agents, touch_credit[:, None], 0).sum(0, dtype=jnp.int32)
    part, delay = draw.delay_part, draw.delay
    moved = _moved(customer, hours, draw, click & ~conversion, purchase, cents, params)
    conversion_of_next = conversion_probability(draw.fresh_conversion, response)
    fresh = fresh_customer(moved, conversion_of_next, category(draw.fresh_category), hours)
    next_customer = Customer(*(jnp.where(left, new, old) for new, old in zip(fresh, moved, strict=True)))
    return Response(
        customer=next_customer,
        click=click,
        conversion=conversion,
        organic=organic,
        organic_masked=organic_masked,
        exposed=exposed,
        revenue=cents,
        first_purchase=purchase & (customer.purchases == 0),
        credit=once(jnp.where(purchase, by_agent, 0)),
        delay_hours=jnp.where(conversion, rounded(conversion_delay(part, delay) * params.realism), 0),
        lifetime_value=jnp.where(purchase, _cents(moved.lifetime_value), 0),
        left=left,
    )


def _revenue(normal: Float[Array, ""], stage: Int[Array, ""], params: Params) -> Float[Array, ""]:
    """Log-normal dollars of a purchase whose mean is that of the stage."""
    response = params.response
    mean = rounded(response.mean_revenue * pick(response.revenue_factor, stage))
    sigma = response.revenue_sigma
    return mean * jnp.exp(sigma * normal) * jnp.exp(-0.5 * sigma * sigma)


def _cents(dollars: Float[Array, ""]) -> Int[Array, ""]:
    return jnp.round(jnp.minimum(dollars, LARGEST_AMOUNT) * CENTS).astype(jnp.int32)


def _moved(
    customer: Customer,
    hours: Float[Array, ""],
    draw: Responses,
    browsed: Bool[Array, ""],
    purchase: Bool[Array, ""],
    cents: Int[Array, ""],
    params: Params,
) -> Customer:
    """The customer after the interaction, in the stage that it has then. ``browsed``: a click without a conversion."""
    response = params.response
    dollars = rounded(cents.astype(float) * (1 / CENTS))
    idle = hours - customer.last_activity
    visits = customer.visits + 1
    purchases = customer.purchases + purchase
    adds = browsed & (draw.cart < response.cart_probability)
    cart = jnp.where(purchase, 0.0, customer.cart_value + jnp.where(adds, cart_value(draw.cart_value, response), 0))
    stage = lifecycle_stage(idle, purchases, cart, visits)
    value = updated_lifetime_value(customer.lifetime_value, dollars, response.margin)
    return customer._replace(
        visits=visits,
        purchases=purchases,
        total_spent=customer.total_spent + dollars,
        last_activity=hours,
        cart_value=cart,
        lifetime_value=jnp.where(purchase, value, customer.lifetime_value),
        stage=jnp.where(params.transitions, stage, customer.stage),
    )


def _pushed(path: Array, entry: Array, when: Bool[Array, ""]) -> Array:
    """The path with one more touch at its end, the oldest dropped."""
    longer = jnp.concatenate([path[1:], jnp.asarray(entry, path.dtype)[None]])
    return jnp.where(when, longer, path)
