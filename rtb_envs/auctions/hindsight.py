"""What a bidder could have got, had it known every price beforehand: the denominators of R/R*.

For one episode, in jitted code or not; a batch of episodes is ``jax.vmap``. Values and costs are expectations or
outcomes, whichever the caller wants to bound; both are >= 0.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

BISECTIONS = 64


def fractional_knapsack(
    value: Float[Array, "auctions"], cost: Float[Array, "auctions"], budget: Float[ArrayLike, ""]
) -> Float[Array, ""]:
    """The largest total value of auctions whose total cost is at most ``budget``, a fraction of one auction allowed.

    Dantzig's rule (Operations Research 5(2), 1957): take auctions in increasing order of cost over value until the
    budget is spent. Free auctions are all taken and auctions without value never. It bounds what whole auctions can
    give from above, by less than the value of one auction.
    """
    worth = value > 0
    value, cost = jnp.where(worth, value, 0.0), jnp.where(worth, cost, 0.0)
    order = jnp.argsort(jnp.where(worth, cost / jnp.where(worth, value, 1.0), jnp.inf))
    value, cost = value[order], cost[order]
    left = budget - (jnp.cumsum(cost) - cost)
    share = jnp.where(cost > 0, jnp.clip(left / jnp.where(cost > 0, cost, 1.0), 0.0, 1.0), 1.0)
    return jnp.sum(share * value)


def multiplier_ceiling(
    value: Float[Array, "horizon auctions"],
    cost: Float[Array, "horizon auctions"],
    threshold: Float[Array, "horizon auctions"],
    valid: Bool[Array, "horizon auctions"],
    budget: Float[ArrayLike, ""],
    multiplier_low: Float[ArrayLike, ""],
    multiplier_high: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    """The value of the clairvoyant best bid multiplier of each step, under one budget for all steps.

    In step t a multiplier m in [multiplier_low, multiplier_high] wins exactly the valid auctions with
    ``threshold[t] <= m``, so the sets to choose from are prefixes in the order of the threshold, equal thresholds
    together. The total value is maximised under a total cost of at most ``budget`` by bisection on the budget's
    Lagrange multiplier, one best prefix a step; the result interpolates between the two solutions around the budget.
    That is the value of the linear relaxation, in which one step may mix two of its prefixes: an upper bound of every
    choice of multipliers that keeps the budget, feasible but for that step.

    If even the lowest multiplier in every step costs more than the budget, the value of that choice is scaled down by
    budget over cost.
    """
    prefix_value, prefix_cost, allowed = _prefixes(value, cost, threshold, valid, multiplier_low, multiplier_high)

    def solve(price_of_budget: Array) -> tuple[Array, Array]:
        """Total value and cost when each step maximises value minus ``price_of_budget`` times cost."""
        surplus = jnp.where(allowed, prefix_value - price_of_budget * prefix_cost, -jnp.inf)
        best = jnp.argmax(surplus, axis=-1, keepdims=True)
        total = [jnp.sum(jnp.take_along_axis(array, best, axis=-1)) for array in (prefix_value, prefix_cost)]
        return total[0], total[1]

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        overspends = solve(middle)[1] > budget
        return jnp.where(overspends, middle, low), jnp.where(overspends, high, middle)

    # Above the best value for money of any single auction no costly auction is worth winning.
    charged = valid & (cost > 0)
    highest = jnp.max(jnp.where(charged, value / jnp.where(charged, cost, 1.0), 0.0), initial=0.0) * 1.001
    low, high = jax.lax.fori_loop(0, BISECTIONS, halve, (jnp.zeros_like(highest), highest))
    (rich_value, rich_cost), (poor_value, poor_cost) = solve(low), solve(high)
    gap = rich_cost - poor_cost
    share = jnp.where(gap > 0, jnp.clip((budget - poor_cost) / jnp.where(gap > 0, gap, 1.0), 0.0, 1.0), 1.0)
    within_budget = poor_value + share * (rich_value - poor_value)
    scaled_down = poor_value * budget / jnp.where(poor_cost > 0, poor_cost, 1.0)
    return jnp.where(poor_cost > budget, scaled_down, within_budget)


def _prefixes(
    value: Array, cost: Array, threshold: Array, valid: Array, multiplier_low: ArrayLike, multiplier_high: ArrayLike
) -> tuple[Array, Array, Array]:
    """Value and cost of the 0, 1, ... n auctions of lowest threshold, and which of these sets a multiplier can win."""
    threshold = jnp.where(valid, threshold, jnp.inf)
    order = jnp.argsort(threshold, axis=-1)
    threshold = jnp.take_along_axis(threshold, order, axis=-1)
    sums = [
        jnp.cumsum(jnp.take_along_axis(jnp.where(valid, array, 0.0), order, axis=-1), axis=-1)
        for array in (value, cost)
    ]
    prefix_value, prefix_cost = (jnp.pad(total, ((0, 0), (1, 0))) for total in sums)
    last_in = jnp.pad(threshold, ((0, 0), (1, 0)), constant_values=-jnp.inf)
    first_out = jnp.pad(threshold, ((0, 0), (0, 1)), constant_values=jnp.inf)
    allowed = (last_in < first_out) & (last_in <= multiplier_high) & (first_out > multiplier_low)
    return prefix_value, prefix_cost, allowed
