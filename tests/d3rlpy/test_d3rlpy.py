"""d3rlpy learns from our logs, by its own dataset class, and what it learned acts in our environment."""

import gymnasium
import numpy as np
import pytest

import rtb_envs
from rtb_envs.logs import read_minari
from rtb_envs.policies.exploration import GaussianExploration
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.uniform_random import UniformRandom

pytestmark = pytest.mark.d3rlpy

MARKET = {"search_volume_mean": 60, "search_volume_std": 6, "initial_budget": 900}
HORIZON = 7
LANES = 512


def dataset_of(log):
    from d3rlpy.dataset import MDPDataset

    timeouts = log.truncated & ~log.terminated
    return MDPDataset(log.observation, log.action, log.reward, terminals=log.terminated, timeouts=timeouts)


def mean_return(id, learned, seed=1):
    """What a learned policy earns an episode, over 512 episodes of markets that no log held."""
    envs = gymnasium.make_vec(id, num_envs=LANES, **MARKET)
    observation, _ = envs.reset(seed=seed)
    total = np.zeros(LANES)
    for _ in range(HORIZON):
        action = learned.predict(observation)
        if isinstance(envs.single_action_space, gymnasium.spaces.Box):
            action = np.clip(action, envs.single_action_space.low, envs.single_action_space.high)
        observation, reward, *_ = envs.step(action.astype(envs.single_action_space.dtype))
        total += reward
    return total.mean()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks as small as these are slower on more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """d3rlpy writes a folder of logs into the working folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def random_log():
    """Episodes of a policy that takes every discrete action equally often: much to learn from, little earned."""
    env = rtb_envs.make("AdAuctionDiscrete-v0", **MARKET)
    return rtb_envs.log_episodes(env, UniformRandom.for_env(env), 1500, seed=0)


def test_conservative_q_learning_earns_more_than_the_random_policy_it_learned_from(random_log):
    import d3rlpy

    d3rlpy.seed(0)
    scaler = d3rlpy.preprocessing.StandardObservationScaler()
    settings = {"learning_rate": 1e-3, "gamma": 1.0, "alpha": 0.2, "target_update_interval": 50, "batch_size": 256}
    cql = d3rlpy.algos.DiscreteCQLConfig(**settings, observation_scaler=scaler).create(device="cpu")
    cql.fit(dataset_of(random_log), n_steps=1500, n_steps_per_epoch=1500, show_progress=False)
    earned = mean_return("AdAuctionDiscrete-v0", cql)
    assert earned > 1.1 * random_log.returns.mean()


def test_behaviour_cloning_earns_what_the_rule_earned_from_a_minari_dataset(tmp_path, monkeypatch):
    import d3rlpy

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = rtb_envs.make("AdAuction-v0", **MARKET)
    rule = GaussianExploration.for_env(env, Linear.for_env(env, multiplier=0.8), std=0.1)
    log = rtb_envs.log_episodes(env, rule, 200, seed=0)
    log.to_minari("rtb/linear-v0")
    d3rlpy.seed(0)
    scaler = d3rlpy.preprocessing.MinMaxActionScaler(minimum=[0.1], maximum=[10.0])
    observation_scaler = d3rlpy.preprocessing.StandardObservationScaler()
    config = d3rlpy.algos.BCConfig(action_scaler=scaler, observation_scaler=observation_scaler)
    cloned = config.create(device="cpu")
    cloned.fit(dataset_of(read_minari("rtb/linear-v0")), n_steps=1000, n_steps_per_epoch=1000, show_progress=False)
    assert mean_return("AdAuction-v0", cloned) == pytest.approx(log.returns.mean(), rel=0.1)
