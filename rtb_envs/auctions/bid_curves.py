"""Bid curves: a bid as a piecewise linear function of what an impression is predicted to be worth."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

_LEAST = float(np.finfo(np.float32).min)


def bid_on_curve(
    worth: Float[Array, "*batch"], knots: Float[Array, "knots"], bids: Float[Array, "knots"]
) -> Float[Array, "*batch"]:
    """The bid for each ``worth``: linear between ``knots`` (increasing, at least two), exactly ``bids`` at them.

    Beyond the outer knots the curve goes on with the slope of its outer segment, so that every straight line is kept
    everywhere: a constant bid exactly, a bid in proportion to ``worth`` up to rounding. The result may be negative.
    """
    worth, knots = _rounded(worth), _rounded(knots)
    # A running select over the static knots: no gather, so it stays inside the kernel that uses it.
    # Compilers turn a division by what many lanes share into this product, in a batch but not in a single lane.
    slope = (bids[1:] - bids[:-1]) * (1 / (knots[1:] - knots[:-1]))
    at, start, rise = knots[0], bids[0], slope[0]
    for knot in range(1, knots.shape[0]):
        above = worth >= knots[knot]
        at, start = jnp.where(above, knots[knot], at), jnp.where(above, bids[knot], start)
        rise = jnp.where(above, slope[min(knot, knots.shape[0] - 2)], rise)
    return start + _rounded(rise * (worth - at))


def _rounded(product: Array) -> Array:
    """``product`` itself, kept from being rounded together with a sum in one program and apart from it in another.

    Compilers fuse a product and the sum it goes into where they can; a bid that is floored afterwards would then depend
    on the size of the batch.
    """
    return jnp.maximum(product, _LEAST)
