"""Which of a step's auctions a budget pays for, in order of arrival.

An auction is paid only if something of the budget is left afterwards (RTBGym's rule, SCOPE-RL 0.2.1), so a budget
never reaches zero. Costs are integers >= 0 in the money unit of ``remaining``, both at most 2**31 - 1 (2**63 - 1 in
JAX's 64-bit mode), and no sum here can overflow. TypeError for other numbers, ValueError for shapes that do not fit
and, of numbers that are not traced, for costs below 0 and for larger amounts.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Int

from rtb_envs import validation
from rtb_envs.auctions.arguments import common_shape
from rtb_envs.tracing import checked


def keep_until_exhausted(
    cost: Int[Array, "*batch auctions"], remaining: Int[ArrayLike, "*#batch"]
) -> Bool[Array, "*batch auctions"]:
    """True for the auctions before the first that would reach ``remaining``; that one and all later ones are cancelled.

    Auction i is kept iff cost[0] + ... + cost[i] < remaining. Nothing is kept if ``remaining`` <= 0.
    """
    cost, remaining = _whole("cost", cost), _whole("remaining", remaining)
    common_shape(cost.shape[:-1], remaining=remaining)
    remaining = remaining[..., None]
    cap = jnp.maximum(remaining, 0)

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

    cost, remaining = _whole("cost", cost), _whole("remaining", remaining)
    batch = common_shape(cost.shape[:-1], remaining=remaining)
    cost = jnp.broadcast_to(cost, (*batch, cost.shape[-1]))
    left = jnp.broadcast_to(remaining, batch)
    _, keep = jax.lax.scan(pay, left, jnp.moveaxis(cost, -1, 0))
    return jnp.moveaxis(keep, 0, -1)


def _whole(name: str, value: ArrayLike) -> Array:
    """Whole numbers as an array of JAX's integers; costs are not negative and have an axis of auctions."""
    array = jnp.asarray(checked(name, value, 0 if name == "cost" else -np.inf))
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise validation.wrong_type(name, "an array of whole numbers", value)
    if name == "cost" and array.ndim == 0:
        raise ValueError("cost: got shape (), the last axis must hold auctions")
    # Costs and what remains are compared and added: they need one type, wide enough for both.
    widest = jax.dtypes.canonicalize_dtype(int)
    if np.iinfo(array.dtype).max > np.iinfo(widest).max:
        checked(name, array, high=np.iinfo(widest).max)
    return array.astype(widest)
