"""Compiled reset and step shared by the tests of AdAuction: one program for each static configuration."""

import functools

import jax
import jax.numpy as jnp

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import AdAuction


@functools.cache
def compiled(config):
    """reset_env(key, params) and step_env(key, state, action, params), compiled for ``config``."""
    env = AdAuction(config, None)
    return jit(env.reset_env), jit(env.step_env)


def play(env, multiplier=1.0, seed=0, steps=None, params=None):
    """Rewards and infos of the first ``steps`` steps (all by default) at a constant multiplier."""
    params = env.default_params if params is None else params
    reset, step = compiled(env.config)
    key = jax.random.key(seed)
    _, state = reset(key, params)
    rewards, infos = [], []
    for _ in range(int(params.horizon) if steps is None else steps):
        _, state, reward, _, _, info = step(key, state, jnp.array([multiplier]), params)
        rewards.append(float(reward))
        infos.append(info)
    return rewards, infos
