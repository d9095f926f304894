"""What a budget is worth in a second-price market, auction by auction: the dynamic program of RLB.

Cai et al., *Real-Time Bidding by Reinforcement Learning in Display Advertising*, WSDM 2017, arXiv 1701.02490.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs.compile import jit
from rtb_envs.policies.market_distribution import MarketDistribution

MAX_UPDATES = 4096
"""Of the value function within a step; where a step buys many times the budget, the budget's grid is made coarser."""
_NUM_PRICES, _NUM_RATES = 48, 16
_OUT_OF_REACH = -1e9


def values_to_go(
    price: Float[Array, "prices"],
    probability: Float[Array, "prices"],
    rate: Float[Array, "rates"],
    auctions: Float[Array, "steps"],
    spacing: ArrayLike,
    num_points: int,
    updates_per_step: int,
) -> Float[Array, "steps points"]:
    """V[t, j]: what the auctions of the steps t, t + 1, ... are worth with a budget of j * ``spacing``.

    V(n, b) = V(n - 1, b) + E[max(0, rate + V(n - 1, b - price) - V(n - 1, b))], the optimality equation of Cai et al.
    (WSDM 2017), over ``price`` (what a win costs) with its ``probability`` and over equally likely ``rate``; with the
    mean rate alone it is theirs. V is linear between budgets. An update stands for auctions[t] / ``updates_per_step``
    auctions: with one auction an update and prices on the grid the recursion is exact; else it is the explicit upwind
    scheme for its limit of small prices, stable while an update spends less than ``spacing``.
    """
    position = jnp.arange(num_points)[:, None] - price / spacing
    below = jnp.clip(jnp.floor(position), 0, num_points - 2).astype(jnp.int32)
    weight = position - below

    def update(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        value, auctions = carry
        after = jnp.where(position < 0, _OUT_OF_REACH, value[below] * (1 - weight) + value[below + 1] * weight)
        gain = jnp.maximum(rate[:, None, None] + (after - value[:, None]), 0).mean(axis=0)
        return value + auctions * (gain @ probability), auctions

    def step(value: Array, auctions: Array) -> tuple[Array, Array]:
        value, _ = jax.lax.fori_loop(0, updates_per_step, update, (value, auctions / updates_per_step))
        return value, value

    _, values = jax.lax.scan(step, jnp.zeros(num_points), auctions, reverse=True)
    return values


def highest_acceptable_price(
    value: Float[Array, "points"], spacing: ArrayLike, budget: ArrayLike, rate: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """The largest d <= ``budget`` with rate + V(budget - d) >= V(budget): the bid of Cai et al. (WSDM 2017).

    ``value`` is V at the budgets 0, spacing, 2 * spacing, ..., not falling, linear between them.
    """
    position = jnp.clip(jnp.asarray(budget) / spacing, 0, value.shape[0] - 1)
    below = jnp.minimum(position.astype(jnp.int32), value.shape[0] - 2)
    least = value[below] + (position - below) * (value[below + 1] - value[below]) - rate
    # The smallest budget whose value is at least that: within the segment that ends at the first such point.
    end = jnp.clip(jnp.searchsorted(value, least, side="left"), 1, value.shape[0] - 1)
    rise = value[end] - value[end - 1]
    kept = end - 1 + jnp.clip((least - value[end - 1]) / jnp.where(rise > 0, rise, 1.0), 0, 1)
    return jnp.maximum(position - kept, 0) * spacing


def value_of_budget(
    distribution: MarketDistribution,
    auctions: Float[Array, "steps"],
    budget: Array,
    *,
    spread_rates: bool,
    num_points: int,
) -> tuple[Float[Array, "steps points"], Float[Array, ""]]:
    """``values_to_go`` at ``num_points`` (at least 3) budgets from 0 to ``budget``, and what lies between two of them.

    A win costs its expected charge. ``spread_rates`` says whether V knows how rates are spread, or takes every
    impression for an average one. There are fewer points where a step would buy the budget thousands of times.
    """
    # Cheap prices singly, dear ones in groups: tight budgets buy the cheap ones.
    price, probability = _groups(distribution.price, _NUM_PRICES, 2)
    price = price * distribution.charge_rate
    rate, _ = _groups(distribution.relative_rate, _NUM_RATES if spread_rates else 1, 1)
    # Budgets that the busiest step could buy the impressions of: what bounds the updates it needs.
    busiest = float(jnp.max(auctions) * (price @ probability) / budget)
    num_points = max(min(num_points, int(MAX_UPDATES / max(busiest, 1e-9)) + 1), 3)
    spacing = jnp.float32(budget / (num_points - 1))
    # A power of two, so that few programs serve all markets.
    updates = min(2 ** math.ceil(math.log2(max(busiest * (num_points - 1), 1))), MAX_UPDATES)
    return _compiled_values()(price, probability, rate, auctions, spacing, num_points, updates), spacing


def _groups(values: Array, count: int, power: int) -> tuple[Array, Array]:
    """Means and shares of at most ``count`` groups of neighbours, whose ends follow (i / count)**power."""
    ends = np.unique(np.round(values.shape[0] * np.linspace(0, 1, count + 1) ** power).astype(int))
    means = [values[low:high].mean() for low, high in itertools.pairwise(ends)]
    return jnp.stack(means), jnp.asarray(np.diff(ends) / values.shape[0], jnp.float32)


@functools.cache
def _compiled_values() -> Any:
    return jit(values_to_go, static_argnums=(5, 6))
