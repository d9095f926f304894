"""PPO on tasks whose best policy is known, and what must hold of its state and its numbers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from rtb_envs.compile import jit
from tests.agents.conftest import SMALL
from tests.agents.recall import Recall, Stipend
from tests.agents.trees import assert_same_bytes, leaves


def test_the_discrete_policy_finds_the_best_action_for_every_target(discrete):
    assert discrete.act(jnp.array([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])).tolist() == [3, 4, 5]
    assert float(discrete.metrics["mean_episode_return"]) > 0.95


def test_the_continuous_policy_finds_the_best_action_for_every_target(continuous):
    action = continuous.act(jnp.array([[0.0, -0.5], [0.0, 0.5]]))
    np.testing.assert_allclose(np.log10(action[:, 0]), [-0.5, 0.5], atol=0.05)
    assert float(continuous.metrics["mean_episode_return"]) > 0.95


def test_metrics_are_finite_scalars_and_count_the_episodes(discrete):
    _, first = discrete.updates(discrete.start, discrete.params, 1)
    for metrics in (first, discrete.metrics):
        assert all(value.shape == () and np.isfinite(value) for value in metrics.values())
        assert metrics["episodes"] == SMALL.num_envs * SMALL.num_steps // 2
        assert metrics["learning_rate"] == np.float32(0.01)
    # At first every action is as likely, and a third of them meets the target: 0.33 with a standard error of 0.04.
    assert float(first["entropy"]) == pytest.approx(np.log(3), abs=0.02)
    assert float(first["mean_episode_return"]) == pytest.approx(1 / 3, abs=0.2)


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(discrete):
    after = discrete.updates(discrete.start, discrete.params, 5)[0]
    assert_same_bytes(discrete.updates(discrete.init(0, discrete.params), discrete.params, 5)[0], after)
    other = discrete.init(1, discrete.params)
    for part in (lambda state: state.weights["actor"]["params"], lambda state: state.lanes.lane_keys):
        assert any((a != b).any() for a, b in zip(leaves(part(other)), leaves(part(discrete.start)), strict=True))


def test_two_updates_in_one_program_are_one_update_twice(continuous):
    once = continuous.updates(continuous.start, continuous.params, 1)[0]
    twice = continuous.updates(once, continuous.params, 1)[0]
    assert_same_bytes(twice, continuous.updates(continuous.start, continuous.params, 2)[0])


def test_the_first_gradient_step_sees_the_policy_that_acted():
    env = Recall(discrete=False)
    learner = PPO(env, replace(SMALL, num_epochs=1, num_minibatches=1))
    update = jit(learner.update)
    state = jit(learner.init)(3, env.default_params)
    for _ in range(3):
        state, metrics = update(state, env.default_params)
        # Equal densities, so the ratio is 1 up to rounding, whatever the normaliser has learned in between.
        assert abs(float(metrics["approx_kl"])) < 1e-6
        assert metrics["clip_fraction"] == 0


def test_learners_with_different_learning_rates_run_side_by_side_under_vmap(discrete):
    def updated(learning_rate):
        learner = PPO(discrete.learner.env, replace(SMALL, learning_rate=learning_rate))
        return learner.update(learner.init(0, discrete.params), discrete.params)[0].weights

    together = jit(jax.vmap(updated))(jnp.array([0.001, SMALL.learning_rate]))
    alone = discrete.updates(discrete.start, discrete.params, 1)[0].weights
    for begun, stacked, expected in zip(leaves(discrete.start.weights), leaves(together), leaves(alone), strict=True):
        np.testing.assert_allclose(stacked[1], expected, atol=1e-5)
        assert np.abs(stacked[0] - begun).max() < 0.2 * np.abs(stacked[1] - begun).max()


def test_annealing_brings_the_learning_rate_to_0_in_equal_steps():
    env = Recall(discrete=True)
    learner = PPO(env, replace(SMALL, annealing_updates=4))
    update, state, rates = jit(learner.update), jit(learner.init)(0, env.default_params), []
    for _ in range(6):
        before, (state, metrics) = state, update(state, env.default_params)
        rates.append(float(metrics["learning_rate"]))
    np.testing.assert_allclose(rates, [0.01, 0.0075, 0.005, 0.0025, 0, 0], rtol=1e-6)
    assert_same_bytes(before.weights, state.weights)


@pytest.mark.parametrize(("truncated", "value"), [(True, 2.0), (False, 1.0)])
def test_the_value_goes_on_after_truncation_and_ends_with_termination(truncated, value):
    env = Stipend(truncated)
    learner = PPO(env, replace(SMALL, gamma=0.5, num_steps=1, learning_rate=0.03))
    params = env.default_params
    train = jit(lambda: lax.scan(lambda s, _: learner.update(s, params), learner.init(0, params), length=150))
    state, metrics = train()
    # Reward 1 for ever, each step worth half of the one before, is worth 2.
    assert float(learner.value(state, jnp.zeros((3, 1)))) == pytest.approx(value, abs=0.02)
    assert metrics["mean_episode_return"].tolist() == [1] * 150


def test_memory_begins_anew_with_every_episode_and_reaches_from_one_update_into_the_next():
    env = Recall(discrete=True)
    learner = PPO(env, replace(SMALL, num_steps=3))
    update, state = jit(learner.update), jit(learner.init)(0, env.default_params)
    # Episodes of two steps: after 3 steps every lane has acted once in its second episode, after 6 none has.
    for expected in (1, 0, 1):
        state, _ = update(state, env.default_params)
        assert (state.memory.seen == expected).all()
        assert (state.memory.averages.any(axis=(1, 2)) <= (expected > 0)).all()


def test_restart_begins_a_new_episode_in_every_lane(discrete):
    market = jnp.float32(10)
    restarted = discrete.learner.restart(replace(discrete.state, episode_return=jnp.ones(SMALL.num_envs)), market)
    assert (restarted.lanes.episode == discrete.state.lanes.episode + 1).all()
    assert (restarted.lanes.state.t == 0).all()
    assert not restarted.episode_return.any()
    assert not restarted.memory.seen.any()
    assert not restarted.rewards.running_return.any()
    _, metrics = discrete.updates(restarted, market, 1)
    # The parameter is added to every return, which is at most 1 without it.
    assert 10.9 < float(metrics["mean_episode_return"]) <= 11


def test_every_lane_can_have_a_market_of_its_own():
    env = Recall(discrete=True)
    learner = PPO(env, replace(SMALL, params_axis=0))
    params = jnp.arange(SMALL.num_envs, dtype=jnp.float32)
    _, metrics = jit(lambda: learner.update(learner.init(0, params), params))()
    # A third of the first actions meet their target; the parameters' mean is 31.5.
    assert float(metrics["mean_episode_return"]) == pytest.approx(31.5 + 1 / 3, abs=0.25)


def test_lanes_of_one_market_draw_the_same_numbers():
    env = Recall(discrete=True)
    state = jit(PPO(env, replace(SMALL, lanes_per_market=4)).init)(0, env.default_params)
    words = leaves(state.lanes.lane_keys)[0].reshape(16, 4, -1)
    assert (words == words[:, :1]).all()
    assert len(np.unique(words[:, 0], axis=0)) == 16


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, r"num_envs must be an integer in \[1, "),
        ({"num_steps": 2.0}, TypeError, "num_steps must be an integer"),
        ({"num_minibatches": 3}, ValueError, "num_minibatches must be a divisor of num_envs, 64, got 3"),
        ({"lanes_per_market": 5}, ValueError, "lanes_per_market must be a divisor of num_envs, 64, got 5"),
        ({"hidden_sizes": [16]}, TypeError, "hidden_sizes must be a tuple of integers"),
        ({"memory_decays": 0.5}, TypeError, "memory_decays must be a tuple of numbers"),
        ({"memory_decays": (0.5, 1.5)}, ValueError, "memory_decays must be a finite number in"),
        ({"hidden_sizes": (16, -1)}, ValueError, "hidden_sizes must be an integer in"),
        ({"activation": "cube"}, ValueError, "activation must be one of 'tanh', 'relu', 'silu', got 'cube'"),
        ({"params_axis": 1}, ValueError, "params_axis must be one of None, 0, got 1"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be a finite number in"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate must be a finite number in"),
        ({"gamma": 1.1}, ValueError, "gamma must be a finite number in"),
        ({"gae_lambda": float("nan")}, ValueError, "gae_lambda must be a finite number in"),
        ({"clip_range": -0.2}, ValueError, "clip_range must be a finite number in"),
        ({"annealing_updates": 0}, ValueError, "annealing_updates must be a finite number in"),
        ({"max_gradient_norm": 0}, ValueError, "max_gradient_norm must be a finite number in"),
    ],
)
def test_wrong_settings_are_refused_by_name(changes, error, message):
    with pytest.raises(error, match=message):
        PPO(Recall(discrete=True), replace(SMALL, **changes))


def test_the_default_settings_are_valid():
    PPO(Recall(discrete=True), PPOSettings())
