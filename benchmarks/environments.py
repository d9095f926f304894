"""Work of environments: AdAuction-v0 as it comes, 200 auctions a step on average and 7 steps an episode.

The bid multiplier is 1 in every step. retargeting_v0 as it comes: 4 agents, 10,000 customers, one auction a step.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

import rtb_envs
from benchmarks.workload import Done, Workload
from rtb_envs import compile, core
from rtb_envs.policies.constant import Constant
from rtb_envs.random import EVALUATE, Generator, lane_keys

ENV_ID = "AdAuction-v0"
RETARGETING_ID = "retargeting_v0"
RETARGETING_ACTION = (0.3, 2.0, 5.0)
"""Bid, target stage, intensity: low enough that budgets last."""
RETARGETING_STEPS = 500
"""Of one compiled call."""


def rollout(num_envs: int, generator: Generator = "counter", without_emitters: bool = False) -> Workload | None:
    """Whole episodes through ``rtb_envs.rollout``; ``without_emitters`` turns XLA's fusion emitters off.

    None where the backend does not have that choice.
    """
    if without_emitters:
        compile.CPU_OPTIONS["xla_cpu_use_fusion_emitters"] = False
        if not compile.compiler_options():
            return None
    env = rtb_envs.make(ENV_ID, generator=generator)
    policy = Constant(jnp.ones(1))
    horizon = int(env.default_params.horizon)

    def run(episodes: int) -> Done:
        totals = rtb_envs.rollout(env, policy, num_envs, episodes * horizon, seed=0).totals
        return Done(round(totals["episode_length"].sum()), round(totals["episode_search_volume"].sum()))

    return Workload(num_envs, run)


def make_vec(num_envs: int) -> Workload:
    """Steps of ``gymnasium.make_vec``, NumPy in and out; a step that only resets a lane does not count."""
    envs = gymnasium.make_vec(ENV_ID, num_envs=num_envs)
    actions = np.ones((num_envs, 1), np.float32)
    envs.reset(seed=0)

    def run(steps: int) -> Done:
        environment_steps = auctions = 0
        for _ in range(steps):
            info = envs.step(actions)[-1]
            if "search_volume" in info:
                environment_steps += int(np.count_nonzero(info["_search_volume"]))
                auctions += int(info["search_volume"].sum())
        return Done(environment_steps, auctions)

    return Workload(num_envs, run)


def stable_baselines(num_envs: int) -> Workload | None:
    """Steps of ``SB3VecEnv``, which begins a lane's next episode in the same step. None without Stable-Baselines3.

    Every info is looked into, as Stable-Baselines3's algorithms do, for the figures of episodes that have ended.
    """
    try:
        from rtb_envs.adapters.stable_baselines import SB3VecEnv
    except ImportError:
        return None
    envs = SB3VecEnv(ENV_ID, num_envs)
    actions = np.ones((num_envs, 1), np.float32)
    envs.seed(0)
    envs.reset()

    def run(steps: int) -> Done:
        for _ in range(steps):
            for info in envs.step(actions)[-1]:
                info.get("episode")
        return Done(steps * num_envs, None)

    return Workload(num_envs, run)


def make() -> Workload:
    """Episodes of ``gymnasium.make``, Gymnasium's default wrappers and the resets included."""
    env = gymnasium.make(ENV_ID)
    action = np.ones(1, np.float32)
    env.reset(seed=0)

    def run(episodes: int) -> Done:
        environment_steps = auctions = 0
        for _ in range(episodes):
            over = False
            while not over:
                _, _, terminated, truncated, info = env.step(action)
                environment_steps += 1
                auctions += int(info["search_volume"])
                over = terminated or truncated
            env.reset()
        return Done(environment_steps, auctions)

    return Workload(1, run)


def retargeting(num_envs: int) -> Workload:
    """Steps of many markets with many agents inside a compiled scan, observations and rewards included.

    Each core has its share of the markets, stepped by a thread of its own: a step is many kernels that take too little
    time to be split among cores.
    """
    market = rtb_envs.make_multi_agent(RETARGETING_ID)
    params = market.default_params

    def chunk(lanes: core.Lanes[Any]) -> tuple[core.Lanes[Any], jax.Array]:
        action = jnp.broadcast_to(jnp.array(RETARGETING_ACTION), (*lanes.over.shape, len(market.agents), 3))

        def step(lanes: core.Lanes[Any], _: None) -> tuple[core.Lanes[Any], jax.Array]:
            lanes, outcome = core.autoreset_batch(market, lanes, action, params)
            return lanes, outcome.reward.sum()

        lanes, rewards = jax.lax.scan(step, lanes, length=RETARGETING_STEPS)
        return lanes, rewards.sum()

    start = compile.jit(lambda keys: core.start_batch(market, keys, params))
    run_chunk = compile.jit(chunk, donate_argnums=0)
    cores = min(os.cpu_count() or 1, num_envs)
    shares = [start(keys) for keys in jnp.array_split(lane_keys(0, EVALUATE, num_envs), cores)]
    threads = ThreadPoolExecutor(cores)

    def run_share(index: int, chunks: int) -> None:
        for _ in range(chunks):
            shares[index], rewards = run_chunk(shares[index])
            jax.block_until_ready(rewards)

    for index in range(cores):
        run_share(index, 1)  # compiles, which threads would do once each

    def run(chunks: int) -> Done:
        for done in [threads.submit(run_share, index, chunks) for index in range(cores)]:
            done.result()
        steps = chunks * RETARGETING_STEPS * num_envs
        return Done(steps, steps)

    return Workload(num_envs, run)
