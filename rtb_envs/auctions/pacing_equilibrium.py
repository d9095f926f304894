"""First-price pacing equilibrium: one bid multiplier for each bidder, such that all budgets hold at once.

Under first price it is unique and solves a convex program (Conitzer, Kroer, Panigrahi, Schrijvers, Stier-Moses, Sodomka
& Wilkens, Management Science 2022). Under second price there can be several, and the best is hard to find (Conitzer,
Kroer, Sodomka & Stier-Moses, Operations Research 2022), so there is no such function for it.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.tracing import checked


class PacingEquilibrium(NamedTuple):
    """Multipliers, prices and allocation of a market in which every bid is the bidder's multiplier times its value."""

    multiplier: Float[Array, "bidders"]
    """In (0, 1]; below 1 only for bidders who spend their whole budget."""
    price: Float[Array, "auctions"]
    """The highest bid, in the money unit of budgets and values."""
    share: Float[Array, "bidders auctions"]
    """Of each auction, to bidders with the highest bid; ties are split as budgets ask for."""


def first_price_pacing_equilibrium(
    value: Float[Array, "bidders auctions"], budget: Float[Array, "bidders"], iterations: int = 20_000
) -> PacingEquilibrium:
    """The equilibrium of bidders with ``budget`` (> 0, finite) and ``value`` (>= 0, finite), in the same money.

    Its multipliers minimise the sum of highest bids less the sum of budget * log(multiplier), each in (0, 1]. They are
    found by proportional response (Gao & Kroer, NeurIPS 2020): a bidder divides its budget among auctions, and what it
    keeps, in proportion to what each of them brought. The error after ``iterations`` (static) is that of rounding in
    markets of some ten bidders and auctions; where bids are almost tied it takes more. Vmappable.

    The revenue is at least half of the largest liquid welfare, that is of what any mechanism could earn that keeps
    budgets and charges nobody more than its value (Caragiannis, Ipsen & Skoulakis, arXiv 2602.14815, 2026).

    Raises ValueError for shapes that do not fit and, of numbers that are not traced, for those out of range; TypeError
    for what is no array of numbers.
    """
    value, budget = jnp.asarray(checked("value", value, 0)), jnp.asarray(checked("budget", budget, 0, open_low=True))
    iterations = validation.integer("iterations", iterations, 0, 2**31 - 1)
    if value.ndim != 2 or 0 in value.shape:
        raise ValueError(f"value: got shape {value.shape}, must be [bidders, auctions], both at least 1")
    if budget.shape != value.shape[:1]:
        raise ValueError(f"budget: got shape {budget.shape}, must be {value.shape[:1]}, one for each bidder of value")
    equal_part = budget / (value.shape[1] + 1)
    offered = jnp.where(value > 0, equal_part[:, None], 0.0)

    def share_of(offered: Array) -> Array:
        total = jnp.sum(offered, axis=0)
        return offered / jnp.where(total > 0, total, 1.0)

    def respond(_: int, money: tuple[Array, Array]) -> tuple[Array, Array]:
        offered, kept = money
        brought = value * share_of(offered)
        factor = budget / (jnp.sum(brought, axis=1) + kept)
        return brought * factor[:, None], kept * factor

    offered, kept = lax.fori_loop(0, iterations, respond, (offered, equal_part))
    share = share_of(offered)
    multiplier = jnp.minimum(budget / (jnp.sum(value * share, axis=1) + kept), 1.0)
    return PacingEquilibrium(multiplier, jnp.max(multiplier[:, None] * value, axis=0), share)
