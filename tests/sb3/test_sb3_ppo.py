"""Stable-Baselines3 trains on the Gymnasium environment as it is."""

import gymnasium
import numpy as np
import pytest

import rtb_envs  # noqa: F401  (registers the ids)


@pytest.mark.sb3
def test_sb3_ppo_trains_on_ad_auction_and_acts_inside_its_action_space():
    from stable_baselines3 import PPO

    env = gymnasium.make("AdAuction-v0")
    model = PPO("MlpPolicy", env, n_steps=70, batch_size=70, n_epochs=2, seed=0, device="cpu")
    model.learn(140)
    observation, _ = env.reset(seed=1)
    action, _ = model.predict(observation, deterministic=True)
    assert env.action_space.contains(np.asarray(action, np.float32))


@pytest.mark.sb3
def test_sb3s_own_checker_accepts_both_kinds_of_action():
    from stable_baselines3.common.env_checker import check_env

    for name in ("AdAuction-v0", "AdAuctionDiscrete-v0"):
        check_env(gymnasium.make(name).unwrapped, warn=False)
