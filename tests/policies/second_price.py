"""Rules that learn the price of a budget auction by auction, and the stationary market whose answer is known.

There value and highest rival bid are uniform on [0, 1]. With bids k v, k = 1 / (1 + dual), a round spends k^2 / 6 and
earns k / 3 - k^2 / 6: a budget of rho a round is spent at k = sqrt(6 rho), which earns k / 3 - rho.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import compile
from rtb_envs.policies.adaptive_pacing import paced_bid


class Run(NamedTuple):
    """What a rule made of several markets of second-price auctions; each entry leads with, or ends in, [num_seeds]."""

    profit: np.ndarray
    optimum: np.ndarray
    """The clairvoyant one."""
    dual: np.ndarray
    """[rounds, num_seeds]: at which each auction was bid."""


def uniform_auctions(rounds, num_seeds):
    """Value and price of every auction, each [rounds, num_seeds]; the same in every call."""
    return np.random.default_rng(0).random((2, rounds, num_seeds), dtype=np.float32)


def hindsight_profit(value, price, budget):
    """The clairvoyant optimum of each seed: the fractional knapsack, best profit per unit of money first."""
    gain, cost = np.maximum(value - price, 0).astype(float), price.astype(float)
    order = np.argsort(-gain / cost, axis=0)
    gain, cost = (np.take_along_axis(array, order, axis=0) for array in (gain, cost))
    left = budget - (np.cumsum(cost, axis=0) - cost)
    return (gain * np.clip(left / cost, 0, 1)).sum(0)


def run_auctions(next_dual, initial_dual, budget_per_round, value, price):
    """A rule with steps of rounds**-.5 and its own dual in each seed's market; value and price [rounds, num_seeds]."""
    rounds, num_seeds = value.shape

    def play(carry, auction):
        dual, left = carry
        value, price = auction
        won = jnp.minimum(paced_bid(value, dual), left) > price
        spend = jnp.where(won, price, 0)
        after = next_dual(dual, budget_per_round, spend, rounds**-0.5, 1 / budget_per_round)
        return (after, left - spend), (jnp.where(won, value - price, 0), dual)

    start = jnp.full(num_seeds, initial_dual), jnp.full(num_seeds, budget_per_round * rounds)
    profit, dual = compile.jit(lambda auctions: jax.lax.scan(play, start, auctions)[1])((value, price))
    optimum = hindsight_profit(value, price, budget_per_round * rounds)
    return Run(np.asarray(profit, float).sum(0), optimum, np.asarray(dual))


@functools.cache
def second_price_run(next_dual, initial_dual, budget_per_round, rounds, num_seeds):
    """``run_auctions`` in the stationary market."""
    return run_auctions(next_dual, initial_dual, budget_per_round, *uniform_auctions(rounds, num_seeds))
