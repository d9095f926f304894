"""What return on ad spend becomes as budgets grow: `python docs/retargeting_budgets.py`, the tables of the page.

Four rules of the strategy set, and four equal pacers, in the same episodes of the default market. Intervals are 95 %
bootstrap intervals over episodes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs.envs.retargeting import UNITS, make_retargeting, scripted_seats
from rtb_envs.envs.retargeting.play import play_episodes
from rtb_envs.intervals import Interval, ratio_of_sums
from rtb_envs.policies.retargeting_pacing import pacer
from rtb_envs.random import EVALUATE, lane_keys

BUDGETS = (500, 1_500, 3_000, 10_000)
EPISODES, SAMPLES, SEED = 16, 10_000, 0


def total(info, name):
    """Of all agents, by episode."""
    return np.asarray(info[name], np.float64).sum(axis=1)


def cells(info, budget):
    """ROAS, profit, budget spent, conversions of clicks, cost of a new customer: texts with intervals."""
    cost, revenue = total(info, "episode_cost"), total(info, "episode_revenue")
    ones, agents = np.ones_like(cost), np.shape(info["episode_cost"])[1]
    return [
        text(ratio_of_sums(revenue, cost, SAMPLES), "{:.2f}"),
        text(ratio_of_sums(revenue - cost, ones, SAMPLES), "{:,.0f}"),
        text(ratio_of_sums(100 * cost / (agents * budget), ones, SAMPLES), "{:.1f}"),
        text(ratio_of_sums(100 * total(info, "episode_conversions"), total(info, "episode_clicks"), SAMPLES), "{:.1f}"),
        text(ratio_of_sums(cost, total(info, "episode_new_customers"), SAMPLES), "{:.2f}"),
    ]


def text(interval: Interval, form: str) -> str:
    """``estimate [low, high]``."""
    estimate, low, high = (form.format(value) for value in (interval.estimate, interval.low, interval.high))
    return f"{estimate} [{low}, {high}]"


if __name__ == "__main__":
    market = make_retargeting()
    sets = {"strategy set": scripted_seats(len(market.agents)), "four pacers": [pacer()] * len(market.agents)}
    keys = lane_keys(SEED, EVALUATE, EPISODES)
    columns = ("Budget of each ($)", "Bidders", "ROAS ($/$)", "Profit of all ($ an episode)", "Budget spent (%)")
    print(f"| {' | '.join((*columns, 'CVR (%)', 'CAC ($)'))} |")
    print("|---|---|---|---|---|---|---|")
    for budget in BUDGETS:
        params = market.default_params.replace(initial_budget=jnp.full(len(market.agents), budget * UNITS, jnp.int32))
        for name, policies in sets.items():
            info = jax.device_get(play_episodes(market, policies, keys, params).info)
            print(f"| {budget:,} | {name} | {' | '.join(cells(info, budget))} |", flush=True)
