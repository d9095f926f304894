"""Work of markets with many bidders: days of AutoBidding at AuctionNet's size, and rounds of AuctionGym's world."""

from __future__ import annotations

import jax.numpy as jnp

import rtb_envs
from benchmarks.workload import Done, Workload
from rtb_envs.envs.auto_bidding.options import FULL_SIZE
from rtb_envs.envs.contextual_auction import Advertisers, Truthful, simulate
from rtb_envs.policies.constant import Constant

AUTO_BIDDING_ID = "AutoBidding-v0"
BIDDERS, ROUNDS = 6, 500_000
"""Of AuctionGym's world, where two bidders are asked in each round."""


def auto_bidding(num_envs: int, num_opportunities: int = FULL_SIZE) -> Workload:
    """Whole days through ``rtb_envs.rollout``: 47 scripted bidders, who leave when their budgets end, and one more.

    That one bids too little to leave, as its day would end then.
    """
    env = rtb_envs.make(AUTO_BIDDING_ID, num_opportunities=num_opportunities)
    policy = Constant(jnp.ones(1))
    horizon = int(env.default_params.horizon)

    def run(days: int) -> Done:
        totals = rtb_envs.rollout(env, policy, num_envs, days * horizon, seed=0).totals
        return Done(round(totals["episode_length"].sum()), round(totals["episode_search_volume"].sum()))

    return Workload(num_envs, run)


def contextual_auction(num_envs: int, rounds: int = ROUNDS) -> Workload:
    """Rounds among truthful bidders who know their ads' click rates, every world with a catalogue of its own."""
    advertisers = [Advertisers(Truthful(), copies=BIDDERS)]

    def run(repeats: int) -> Done:
        for seed in range(repeats):
            simulate(advertisers, seed=seed, num_runs=num_envs, rounds_per_iteration=rounds)
        held = repeats * num_envs * rounds
        return Done(held, held)

    return Workload(num_envs, run)
