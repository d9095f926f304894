"""Work of the publisher's side: AdPlacement-v0 as it comes, 3 slots, 8 advertisers and 1,000 events a day."""

from __future__ import annotations

import jax.numpy as jnp

import rtb_envs
from benchmarks.workload import Done, Workload
from rtb_envs.policies.constant import Constant

SLOTS_OPENED = 2


def rollout(num_envs: int) -> Workload:
    """Whole days through ``rtb_envs.rollout`` with two slots opened in every event; an event is a step."""
    env = rtb_envs.make("AdPlacement-v0")
    policy = Constant(jnp.int32(SLOTS_OPENED))
    horizon = int(env.default_params.horizon)

    def run(days: int) -> Done:
        totals = rtb_envs.rollout(env, policy, num_envs, days * horizon, seed=0).totals
        return Done(round(totals["episode_length"].sum()), None)

    return Workload(num_envs, run)
