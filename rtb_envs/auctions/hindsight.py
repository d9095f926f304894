"""What a bidder could have got, had it known every price beforehand: the denominators of R/R*.

``fractional_knapsack`` bounds one slot: the cost of an auction is the second price, or under first price the bid that
just wins. Its value is what the bidder maximises: clicks, conversions, money's worth, or, for profit, worth less cost.
``position_ceiling`` bounds auctions of several slots, ``first_price_ceiling`` bids against a law of rivals' bids, and
``multiplier_ceiling`` one bid multiplier a step.

For one episode, in jitted code or not; a batch of episodes is ``jax.vmap``. Values and costs are expectations or
outcomes, whichever the caller wants to bound; costs are >= 0.

Of arguments that are not traced, numbers that are not finite or negative where that makes no sense raise ValueError (a
budget may be infinite), as shapes that do not fit always do; what is no array of numbers raises TypeError.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from rtb_envs.auctions.arguments import same_shape, truths
from rtb_envs.tracing import checked, is_concrete

BISECTIONS = 64

Solution = tuple[Array, Array, Array]


def fractional_knapsack(
    value: Float[Array, "auctions"],
    cost: Float[Array, "auctions"],
    budget: Float[ArrayLike, ""],
    target_cost: Float[ArrayLike, ""] = jnp.inf,
) -> Float[Array, ""]:
    """The largest total value of auctions whose total cost is at most ``budget``, a fraction of one auction allowed.

    The total cost must also be at most ``target_cost`` times the total value: a CPA target where value counts
    acquisitions, 1 over the return on ad spend where it is money; infinite for none.

    Dantzig's rule (Operations Research 5(2), 1957): take auctions in increasing order of cost over value until the
    budget is spent. Free auctions are all taken and auctions without value (<= 0) never. It holds under the target too:
    by Lagrange an auction is worth taking iff its cost over value is below one threshold, and the average cost only
    rises along that order. It bounds what whole auctions can give from above, by less than the value of one auction.
    """
    value, cost = checked("value", value), checked("cost", cost, 0)
    budget, target_cost = _limit("budget", budget), _limit("target_cost", target_cost)
    same_shape(1, value=value, cost=cost)
    worth = value > 0
    value, cost = jnp.where(worth, value, 0.0), jnp.where(worth, cost, 0.0)
    ratio = jnp.where(worth, cost / jnp.where(worth, value, 1.0), jnp.inf)
    order = jnp.argsort(ratio)
    value, cost, ratio = value[order], cost[order], ratio[order]
    spent = jnp.cumsum(cost) - cost
    affordable = jnp.where(cost > 0, (budget - spent) / jnp.where(cost > 0, cost, 1.0), 1.0)
    # A target above every ratio never binds; it is cut so that an infinite one makes no NaN.
    target = jnp.minimum(target_cost, jnp.max(cost / jnp.where(value > 0, value, 1.0), initial=0.0))
    excess = jnp.where(ratio > target, cost - target * value, 0.0)
    slack = target * (jnp.cumsum(value) - value) - spent
    on_target = jnp.where(excess > 0, slack / jnp.where(excess > 0, excess, 1.0), 1.0)
    return jnp.sum(jnp.clip(jnp.minimum(affordable, on_target), 0.0, 1.0) * value)


def multiple_choice_knapsack(
    value: Float[Array, "groups options"],
    cost: Float[Array, "groups options"],
    allowed: Bool[Array, "groups options"],
    budget: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    """The largest total value of one allowed option in each group at a total cost of at most ``budget``.

    Bisection on the budget's Lagrange multiplier, the best option in each group; the result interpolates between the
    two solutions around the budget. That is the value of the linear relaxation (Sinha & Zoltners, Operations Research
    27(3), 1979), in which one group may mix two of its options: an upper bound of every choice within the budget. Each
    group must allow at least one option. If even the cheapest option of every group costs more than the budget, the
    value of that choice is scaled down by budget over cost.
    """
    value, cost, budget = checked("value", value), checked("cost", cost, 0), _limit("budget", budget)
    allowed = truths("allowed", allowed)
    same_shape(2, value=value, cost=cost, allowed=allowed)
    if is_concrete(allowed) and not (some := np.asarray(allowed).any(axis=-1)).all():
        raise ValueError(f"allowed: got no option in group {np.argmin(some)}, must hold one in every group")

    def solve(price_of_budget: Array) -> tuple[Array, Array, Array]:
        """The price, and total value and cost when each group maximises value minus the price times cost."""
        surplus = jnp.where(allowed, value - price_of_budget * cost, -jnp.inf)
        best = jnp.argmax(surplus, axis=-1, keepdims=True)
        total = [jnp.sum(jnp.take_along_axis(array, best, axis=-1)) for array in (value, cost)]
        return price_of_budget, total[0], total[1]

    # The bracket keeps its solutions: at almost the same price, rounding in another fusion may choose otherwise.
    def halve(_: int, bracket: tuple[Solution, Solution]) -> tuple[Solution, Solution]:
        rich, poor = bracket
        middle = solve(0.5 * (rich[0] + poor[0]))
        overspends = middle[2] > budget
        rich, poor = (
            jax.tree.map(functools.partial(jnp.where, replaced), middle, end)
            for replaced, end in ((overspends, rich), (~overspends, poor))
        )
        return rich, poor

    # Above the best value for money of any step up from a group's cheapest option, that option is its best.
    least = jnp.min(jnp.where(allowed, cost, jnp.inf), axis=-1, keepdims=True)
    worst = jnp.max(jnp.where(allowed & (cost <= least), value, -jnp.inf), axis=-1, keepdims=True)
    dearer = allowed & (cost > least)
    slope = jnp.where(dearer, (value - worst) / jnp.where(dearer, cost - least, 1.0), 0.0)
    highest = jnp.max(slope, initial=0.0) * 1.001
    ends = solve(jnp.zeros_like(highest)), solve(highest)
    (_, rich_value, rich_cost), (_, poor_value, poor_cost) = lax.fori_loop(0, BISECTIONS, halve, ends)
    gap = rich_cost - poor_cost
    share = jnp.where(gap > 0, jnp.clip((budget - poor_cost) / jnp.where(gap > 0, gap, 1.0), 0.0, 1.0), 1.0)
    within_budget = poor_value + share * (rich_value - poor_value)
    scaled_down = poor_value * budget / jnp.where(poor_cost > 0, poor_cost, 1.0)
    return jnp.where(poor_cost > budget, scaled_down, within_budget)


def position_ceiling(
    value: Float[Array, "auctions"],
    price: Float[Array, "slots auctions"],
    exposure: Float[Array, "slots"],
    budget: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    """The largest expected value of at most one slot in each auction, one auction's fractions allowed.

    ``value`` (>= 0) is that of an exposed slot and ``price`` what the bidder pays for one if it takes that slot (under
    GSP: the highest rival bid that it then leaves behind, or the reserve price), infinite where it cannot. A slot of
    exposure x brings x times the value at x times the price; the best slots under the budget are the linear relaxation
    of a multiple-choice knapsack.
    """
    value, price = checked("value", value, 0), checked("price", price, 0, infinite=True)
    exposure = checked("exposure", exposure, 0, open_low=True)
    expected = (*np.shape(exposure), *np.shape(value))
    if np.ndim(value) != 1 or np.ndim(exposure) != 1 or np.shape(price) != expected:
        allowed_shapes = "[slots, auctions], with exposure [slots] and value [auctions]"
        raise ValueError(f"price: got shape {np.shape(price)}, must be {expected}: {allowed_shapes}")
    winnable = jnp.isfinite(price)
    exposed = exposure[:, None]
    nothing = ((1, 0), (0, 0))
    worth = jnp.pad(exposed * jnp.broadcast_to(value, price.shape), nothing)
    cost = jnp.pad(exposed * jnp.where(winnable, price, 0.0), nothing)
    allowed = jnp.pad(winnable, nothing, constant_values=True)
    return multiple_choice_knapsack(worth.T, cost.T, allowed.T, budget)


def first_price_ceiling(
    value: Float[Array, "auctions"],
    bid: Float[Array, "bids"],
    win_probability: Float[Array, "bids"],
    budget: Float[ArrayLike, ""],
    cost_weight: Float[ArrayLike, ""] = 1.0,
) -> Float[Array, ""]:
    """The largest expected payoff of first-price bids, one for each value, at an expected cost within ``budget``.

    The highest rival bid is drawn from one known law, of which ``win_probability`` is the distribution function at the
    bids to choose from; not to bid is always possible. A win pays off the value less ``cost_weight`` times the bid: 1
    for profit, 0 for a bidder who only has a budget. By Lagrange the best bid maximises (value - (cost_weight +
    multiplier) bid) times the win probability.
    """
    value, bid, cost_weight = checked("value", value), checked("bid", bid, 0), checked("cost_weight", cost_weight, 0)
    # A sum of shares may exceed 1 by its roundings.
    win_probability = checked("win_probability", win_probability, 0, 1 + 1e-6)
    same_shape(1, value=value)
    same_shape(1, bid=bid, win_probability=win_probability)
    _refuse_fall(bid, win_probability)
    probability = jnp.pad(win_probability, (1, 0))
    bid = jnp.pad(bid, (1, 0))
    payoff = (value[:, None] - cost_weight * bid) * probability
    cost = jnp.broadcast_to(bid * probability, payoff.shape)
    return multiple_choice_knapsack(payoff, cost, jnp.ones_like(cost, dtype=bool), budget)


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
    together: a ``multiple_choice_knapsack`` with a group for each step. The result is an upper bound of every choice of
    multipliers that keeps the budget, feasible but for the one step that may mix two of its prefixes.

    If even the lowest multiplier in every step costs more than the budget, the value of that choice is scaled down by
    budget over cost.
    """
    prefix_value, prefix_cost, allowed = _prefixes(value, cost, threshold, valid, multiplier_low, multiplier_high)
    return multiple_choice_knapsack(prefix_value, prefix_cost, allowed, budget)


def bid_priced_multiplier_ceiling(
    value: Float[Array, "horizon auctions"],
    cost_at: Callable[[Float[Array, "horizon"]], Float[Array, "horizon auctions"]],
    threshold: Float[Array, "horizon auctions"],
    valid: Bool[Array, "horizon auctions"],
    budget: Float[ArrayLike, ""],
    multiplier_low: Float[ArrayLike, ""],
    multiplier_high: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    """``multiplier_ceiling`` where prices follow the own bid, as in first-price auctions.

    ``cost_at`` gives what each auction would cost if won by one multiplier a step, not falling in it. So the cheapest
    way to win a prefix is the lowest multiplier that wins its last auction, at which all of it is paid for.
    """
    order = jnp.sort(jnp.where(valid, threshold, jnp.inf), axis=-1)

    def cost_of(multiplier: Float[Array, "horizon"]) -> Float[Array, "horizon"]:
        lowest = jnp.clip(multiplier, multiplier_low, multiplier_high)
        return jnp.sum(jnp.where(valid & (threshold <= multiplier[:, None]), cost_at(lowest), 0.0), axis=-1)

    # One after the other: all of them at once would be auctions squared.
    cost = jnp.pad(lax.map(cost_of, order.T).T, ((0, 0), (1, 0)))
    prefix_value, _, allowed = _prefixes(value, value, threshold, valid, multiplier_low, multiplier_high)
    return multiple_choice_knapsack(prefix_value, cost, allowed, budget)


def _limit(name: str, value: ArrayLike) -> Any:
    """``value``, not negative and perhaps infinite, one number."""
    limit = checked(name, value, 0, infinite=True)
    if np.ndim(limit):
        raise ValueError(f"{name}: got shape {np.shape(limit)}, must be one number")
    return limit


def _refuse_fall(bid: ArrayLike, win_probability: ArrayLike) -> None:
    """ValueError if both are known, not traced, and a higher bid wins less often."""
    if not is_concrete(bid, win_probability):
        return
    bids, probabilities = np.asarray(bid, np.float64), np.asarray(win_probability, np.float64)
    rising = probabilities[np.argsort(bids, kind="stable")]
    falls = np.diff(rising) < -1e-6  # More than roundings.
    if falls.any():
        at = int(np.argmax(falls))
        raise ValueError(
            f"win_probability: got {rising[at]} and then {rising[at + 1]} for the next higher bid, must not fall"
        )


def _prefixes(
    value: Array, cost: Array, threshold: Array, valid: Array, multiplier_low: ArrayLike, multiplier_high: ArrayLike
) -> tuple[Array, Array, Array]:
    """Value and cost of the 0, 1, ... n auctions of lowest threshold, and which of these sets a multiplier can win."""
    value, cost = checked("value", value), checked("cost", cost, 0)
    threshold, valid = checked("threshold", threshold, infinite=True), truths("valid", valid)
    same_shape(2, value=value, cost=cost, threshold=threshold, valid=valid)
    low, high = _limit("multiplier_low", multiplier_low), _limit("multiplier_high", multiplier_high)
    # By NumPy: within a program that is being traced JAX's comparison of known numbers is traced too.
    if is_concrete(low, high) and np.asarray(low) > np.asarray(high):
        raise ValueError(f"multiplier_low: got {low}, must be at most multiplier_high, {high}")
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
