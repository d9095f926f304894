"""RLlib's PPO with two runners: policies of their own and a shared one, agents that leave, equal seeds, checkpoints."""

import os
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.rllib
ROOT = Path(__file__).resolve().parents[2]
HORIZON, AGENTS = 120, [f"advertiser_{i}" for i in range(3)]
# Money for a few impressions: some agents leave long before the end.
MARKET = {"core": "retargeting_v0", "num_agents": 3, "num_customers": 30, "horizon": HORIZON, "initial_budget": 0.3}


@pytest.fixture(scope="module")
def ray():
    """A Ray of this machine alone, for the tests of this file."""
    os.environ |= {
        # At a lower priority than everything else, runners hardly come to anything on a busy machine.
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    import ray

    # Runners draw the actions of agents in the order of a set of names, which is that of their hashes.
    variables = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": variables})
    yield ray
    ray.shutdown()


def build(env_config, policies, policy_of, runners=2, num_envs=2, **training):
    """PPO that samples in ``runners`` processes, or in this one if there are none."""
    import torch
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    from rtb_envs.adapters.rllib import RLlibEnv

    torch.set_num_threads(1)
    settings = {"train_batch_size_per_learner": 480, "minibatch_size": 120, "num_epochs": 2, "lr": 1e-3} | training
    config = (
        PPOConfig()
        .environment(RLlibEnv, env_config=env_config)
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=num_envs)
        .multi_agent(policies=policies, policy_mapping_fn=policy_of)
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[16]))
        .training(**settings)
        .debugging(seed=3)
    )
    return config.build_algo()


def separate(agent, episode, **kwargs):
    return agent


def shared(agent, episode, **kwargs):
    return "everybody"


def samples(algorithm):
    """What each runner plays next, as arrays by runner, agent and column."""

    def play(runner):
        return runner.worker_index, [
            (agent, np.asarray(own.get_observations()), np.asarray(own.get_actions()), np.asarray(own.get_rewards()))
            for episode in runner.sample(num_timesteps=80)
            for agent, own in sorted(episode.agent_episodes.items())
        ]

    # They answer in whatever order they are ready in.
    return [own for _, own in sorted(algorithm.env_runner_group.foreach_env_runner(play, local_env_runner=False))]


def weights(algorithm):
    """Every array of every policy."""
    state = algorithm.learner_group.get_weights()
    return {f"{policy}/{name}": np.array(array) for policy in state for name, array in sorted(state[policy].items())}


def assert_finite(result, policies):
    for policy in policies:
        learned = result["learners"][policy]
        for name in ("policy_loss", "vf_loss", "entropy", "mean_kl_loss"):
            assert np.isfinite(learned[name]), (policy, name, learned[name])


@pytest.fixture(scope="module")
def trained(ray, tmp_path_factory):
    """Three policies, two iterations: first samples, weights before, results, a checkpoint, the algorithm."""
    algorithm = build(MARKET, AGENTS, separate)
    first, before = samples(algorithm), weights(algorithm)
    results = [algorithm.train() for _ in range(2)]
    path = algorithm.save_to_path(tmp_path_factory.mktemp("checkpoint"))
    yield first, before, results, path, algorithm
    algorithm.stop()


def test_each_advertiser_learns_a_policy_of_its_own_from_what_two_runners_play(trained):
    first, before, results, _, algorithm = trained
    assert len(first) == 2
    # Environments that begin anew while the others step make a batch longer by a few.
    assert 480 <= results[-1]["env_runners"]["num_env_steps_sampled"] < 500
    for result in results:
        assert_finite(result, AGENTS)
    after = weights(algorithm)
    for agent in AGENTS:
        assert any((after[name] != before[name]).any() for name in after if name.startswith(f"{agent}/"))


def test_agents_that_run_out_of_budget_leave_and_their_policies_learn_from_the_steps_that_they_played(trained):
    sampled = trained[2][-1]["env_runners"]
    steps = [sampled["agent_steps"][agent] for agent in AGENTS]
    assert sampled["episode_len_max"] <= HORIZON
    assert min(steps) < 0.9 * HORIZON
    played = [sampled["num_module_steps_sampled"][agent] for agent in AGENTS]
    assert min(played) < 480
    for agent, count in zip(AGENTS, played, strict=True):
        assert count > 0
        assert trained[2][-1]["learners"][agent]["num_module_steps_trained"] > 0


def test_runners_play_different_markets(trained):
    openings = [tuple(own[1][0].tolist()) for runner in trained[0] for own in runner if own[0] == AGENTS[0]]
    assert len(set(openings)) == len(openings) >= 4


def test_the_same_seed_samples_the_same_batch_and_a_checkpoint_restores_the_policies(trained):
    first, before, results, path, algorithm = trained
    other = build(MARKET, AGENTS, separate)
    try:
        for ours, theirs in zip(samples(other), first, strict=True):
            assert [own[0] for own in ours] == [own[0] for own in theirs]
            for a, b in zip(ours, theirs, strict=True):
                assert [x.tobytes() for x in a[1:]] == [x.tobytes() for x in b[1:]]
        begun = weights(other)
        assert all((begun[name] == before[name]).all() for name in before)
        other.restore_from_path(path)
        restored, saved = weights(other), weights(algorithm)
        assert all((restored[name] == saved[name]).all() for name in saved)
        result = other.train()
        assert result["training_iteration"] == results[-1]["training_iteration"] + 1
        assert_finite(result, AGENTS)
    finally:
        other.stop()


def test_one_policy_for_everybody_learns_from_the_steps_of_all(ray):
    algorithm = build(MARKET, ["everybody"], shared)
    try:
        result = algorithm.train()
    finally:
        algorithm.stop()
    sampled = result["env_runners"]
    assert sampled["num_module_steps_sampled"]["everybody"] == sum(
        sampled["num_agent_steps_sampled"][agent] for agent in AGENTS
    )
    assert_finite(result, ["everybody"])


def test_ppo_improves_in_a_market_that_is_easily_learned(ray):
    """Walkers earn 1 - |position| a step and leave beyond 4; the best they can do is to undo the last push."""
    from tests.toy_crowd import Crowd

    training = {"train_batch_size_per_learner": 800, "minibatch_size": 200, "num_epochs": 8, "lr": 3e-3}
    env = {"core": Crowd(num_agents=2, horizon=15, edge=4.0)}
    algorithm = build(env, ["everybody"], shared, runners=0, num_envs=16, **training)
    try:
        means = [algorithm.train()["env_runners"]["episode_return_mean"] for _ in range(8)]
    finally:
        algorithm.stop()
    print(f"mean returns {np.round(means, 2).tolist()}")
    assert means[-1] > means[0] + 4
