"""Which of a step's auctions a budget pays for, in order of arrival.

An auction is paid only if something of the budget is left afterwards (RTBGym's rule, SCOPE-RL 0.2.1), so a budget
never reaches zero. Costs are integers >= 0 in the money unit of ``remaining``, and no sum here can overflow their type.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Int


def keep_until_exhausted(
    cost: Int[Array, "*batch auctions"], remaining: Int[ArrayLike, "*#batch"]
) -> Bool[Array, "*batch auctions"]:
    """True for the auctions before the first that would reach ``remaining``; that one and all later ones are cancelled.

    Auction i is kept iff cost[0] + ... + cost[i] < remaining. Nothing is kept if ``remaining`` <= 0.
    """
    remaining = jnp.asarray(remaining)[..., None]
    cap = jnp.maximum(remaining, 0).astype(cost.dtype)

    def saturating_add(left: Array, right: Array) -> Array:
        return left + jnp.minimum(right, cap - left)

    spent: Array = jax.lax.associative_scan(saturating_add, jnp.minimum(cost, cap), axis=cost.ndim - 1)
    return spent < remaining


def skip_what_does_not_fit(
    cost: Int[Array, "*batch auctions"], remaining: Int[ArrayLike, "*#batch"]
) -> Bool[Array, "*batch auctions"]:
    """True for each auction whose cost is less than what is then left of ``remaining``; the others are lost.

    Unlike ``keep_until_exhausted``, cheaper auctions after a lost one are still paid. Nothing is kept if
    ``remaining`` <= 0.
    """

    def pay(left: Array, price: Array) -> tuple[Array, Array]:
        fits = price < left
        return left - jnp.where(fits, price, 0), fits

    batch = jnp.broadcast_shapes(cost.shape[:-1], jnp.shape(remaining))
    cost = jnp.broadcast_to(cost, (*batch, cost.shape[-1]))
    left = jnp.broadcast_to(remaining, batch).astype(cost.dtype)
    _, keep = jax.lax.scan(pay, left, jnp.moveaxis(cost, -1, 0))
    return jnp.moveaxis(keep, 0, -1)
