"""The stationary second-price market whose answer is known: value and highest rival bid uniform on [0, 1]."""

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import compile
from rtb_envs.policies.adaptive_pacing import paced_bid


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


def second_price_run(next_dual, initial_dual, budget_per_round, rounds, num_seeds):
    """Profit of a rule that learns a dual auction by auction, and the optimum, in each seed's market."""
    value, price = uniform_auctions(rounds, num_seeds)

    def play(carry, auction):
        dual, left = carry
        value, price = auction
        won = jnp.minimum(paced_bid(value, dual), left) > price
        spend = jnp.where(won, price, 0)
        dual = next_dual(dual, budget_per_round, spend, rounds**-0.5, 1 / budget_per_round)
        return (dual, left - spend), jnp.where(won, value - price, 0)

    start = jnp.full(num_seeds, initial_dual), jnp.full(num_seeds, budget_per_round * rounds)
    profit = compile.jit(lambda auctions: jax.lax.scan(play, start, auctions)[1])((value, price))
    return np.asarray(profit, float).sum(0), hindsight_profit(value, price, budget_per_round * rounds)
