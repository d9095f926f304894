"""The click paths of an episode's customers, and what every attribution rule credits along the same paths.

A market attributes by one rule, on which rewards and rules' bids depend. Beside it the paths are followed here, so that
all rules are compared on one and the same episode.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.retargeting import State
from rtb_envs.envs.retargeting.accounting import split
from rtb_envs.envs.retargeting.params import Params
from rtb_envs.users.attribution import ATTRIBUTIONS, NO_TOUCH, attribution_credit


class ClickPaths(NamedTuple):
    """The last clicks of every customer, oldest first, and what the rules have credited so far."""

    agent: Int[Array, "customers touches"]
    """Whose ad was clicked; ``NO_TOUCH`` in an empty place."""
    hours: Float[Array, "customers touches"]
    credit: Int[Array, "rules agents"]
    """Purchases in ten-thousandths, rules in the order of ``ATTRIBUTIONS``."""
    cents: Int[Array, "rules agents"]
    """Their revenue."""


def no_clicks(customers: int, agents: int, touches: int) -> ClickPaths:
    """The paths at the beginning of an episode."""
    none = jnp.zeros((len(ATTRIBUTIONS), agents), jnp.int32)
    path = (customers, touches)
    return ClickPaths(jnp.full(path, NO_TOUCH, jnp.int32), jnp.zeros(path, float), none, none)


def followed(paths: ClickPaths, before: State, after: State, params: Params) -> ClickPaths:
    """The paths after the one opportunity between two states: click first, then purchase, then departure."""
    customer = before.arrivals.customer[0]
    clicks = after.agents.click - before.agents.click
    agent, hours = (
        _pushed(path[customer], entry, clicks.sum() > 0)
        for path, entry in ((paths.agent, jnp.argmax(clicks)), (paths.hours, before.hours))
    )
    purchase = after.market.purchase - before.market.purchase
    cents = after.market.purchase_revenue - before.market.purchase_revenue
    credit = purchase * _credit(agent, before.hours - hours, clicks.shape[0], params)
    revenue = jnp.stack([split(cents, own) for own in credit])
    left = after.market.departure > before.market.departure
    return ClickPaths(
        paths.agent.at[customer].set(jnp.where(left, NO_TOUCH, agent)),
        paths.hours.at[customer].set(hours),
        paths.credit + credit,
        paths.cents + revenue,
    )


def _credit(
    path: Int[Array, "touches"], hours_before: Float[Array, "touches"], agents: int, params: Params
) -> Int[Array, "rules agents"]:
    """What each rule credits the agents with for one purchase at the end of a path."""
    window = params.response.attribution_hours
    touches = jnp.stack([attribution_credit(path, hours_before, rule, window) for rule in ATTRIBUTIONS])
    own = path[:, None] == jnp.arange(agents)
    credit: Array = jnp.where(own, touches[..., None], 0).sum(1, dtype=jnp.int32)
    return credit


def _pushed(path: Array, entry: Array, when: Array) -> Array:
    """The path with one more click at its end, the oldest dropped."""
    longer = jnp.concatenate([path[1:], jnp.asarray(entry, path.dtype)[None]])
    return jnp.where(when, longer, path)
