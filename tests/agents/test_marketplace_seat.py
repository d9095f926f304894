"""The library's own learners in a buyer's seat of the marketplace."""

import jax.numpy as jnp
import numpy as np
import pytest

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from rtb_envs.compile import jit
from rtb_envs.multi_agent import make_multi_agent
from rtb_envs.policies.constant import Constant
from rtb_envs.seat import seat


@pytest.mark.slow
def test_ppo_trains_in_a_buyer_s_seat():
    market = make_multi_agent("marketplace_v0", scenario="c", buyers=2, sellers=2, campaigns_per_buyer=2, days=2)
    env = seat(market, "buyer_0", Constant(jnp.ones(4)))
    settings = PPOSettings(num_envs=16, num_steps=48, lanes_per_market=1, num_minibatches=2, hidden_sizes=(16,))
    learner = PPO(env, settings)
    state = jit(learner.init)(0, env.default_params)
    update = jit(learner.update)
    for _ in range(3):
        state, metrics = update(state, env.default_params)
    assert all(np.isfinite(value) for value in metrics.values())
    # 48 steps are an episode of two days.
    assert metrics["episodes"] == 16
