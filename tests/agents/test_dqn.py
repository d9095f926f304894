"""DQN on a task whose best policy is known, and what must hold of its state and its numbers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from agents.dqn import DQN
from agents.dqn_settings import DQNSettings
from rtb_envs.compile import jit
from rtb_envs.random import Stream
from tests.agents.conftest import SMALL_DQN
from tests.agents.recall import Recall, Stipend
from tests.agents.trees import assert_same_bytes, leaves

ROLLOUT = SMALL_DQN.num_envs * SMALL_DQN.num_steps


def test_the_greedy_policy_finds_the_best_action_for_every_target(valued):
    assert valued.act(jnp.array([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])).tolist() == [3, 4, 5]
    # One action in twenty is random, and a third of these are right: 0.967 on the mean.
    assert float(valued.metrics["mean_episode_return"]) > 0.9


def test_the_values_are_the_returns_of_the_actions_in_units_of_the_normalised_reward(valued):
    learner, state = valued.learner, valued.state
    observations = jnp.array([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    memory = learner.policy(state).init(None)
    view = jax.vmap(lambda observation: memory.remember(observation, SMALL_DQN.memory_decays)[1])(observations)
    unit = float(state.rewards.scale(jnp.ones(())))
    np.testing.assert_allclose(learner.values(state, view) / unit, np.eye(3), atol=0.1)


def test_metrics_are_finite_scalars_and_the_first_actions_are_all_random(valued):
    _, first = valued.updates(valued.start, valued.params, 1)
    for metrics in (first, valued.metrics):
        assert all(value.shape == () and np.isfinite(value) for value in metrics.values())
        assert metrics["episodes"] == ROLLOUT // 2
        assert metrics["learning_rate"] == np.float32(0.01)
    assert first["epsilon"] == 1
    assert valued.metrics["epsilon"] == np.float32(0.05)
    # A third of the first actions meets its target: 0.33 with a standard error of 0.04.
    assert float(first["mean_episode_return"]) == pytest.approx(1 / 3, abs=0.2)


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(valued):
    after = valued.updates(valued.start, valued.params, 5)[0]
    assert_same_bytes(valued.updates(valued.init(0, valued.params), valued.params, 5)[0], after)
    other = valued.init(1, valued.params)
    for part in (lambda state: state.weights, lambda state: state.lanes.lane_keys):
        assert any((a != b).any() for a, b in zip(leaves(part(other)), leaves(part(valued.start)), strict=True))


def test_two_updates_in_one_program_are_one_update_twice(valued):
    once = valued.updates(valued.start, valued.params, 1)[0]
    twice = valued.updates(once, valued.params, 1)[0]
    assert_same_bytes(twice, valued.updates(valued.start, valued.params, 2)[0])


def test_the_replay_holds_what_was_met_with_the_returns_of_whole_episodes(valued):
    stored = valued.updates(valued.start, valued.params, 1)[0].replay.stored
    # Time first, then lanes: episodes of two steps, of which the first is shown its target and paid for at the end.
    step, target = np.asarray(stored.view[:ROLLOUT, 0]).reshape(4, 64, 2).transpose(2, 0, 1)
    assert (step == np.array([0, 1, 0, 1])[:, None]).all()
    latent, reward, discount = (
        np.asarray(x[:ROLLOUT]).reshape(4, 64) for x in (stored.latent, stored.reward, stored.discount)
    )
    met = (latent[::2] == target[::2]).astype(float)
    np.testing.assert_array_equal(reward[::2], met)
    np.testing.assert_array_equal(reward[1::2], met)
    assert not discount.any()
    # Both steps lead to the end of their episode, after two steps.
    assert (np.asarray(stored.next_view[:ROLLOUT, 0, 0]) == 2).all()


def test_the_target_network_becomes_the_network_every_so_many_gradient_steps(valued):
    state, targets = valued.start, []
    for _ in range(4):
        before, (state, _) = state, valued.updates(state, valued.params, 1)
        targets.append((before.target_weights, state.target_weights, state.weights))
    # 8 gradient steps an update, and a renewal after every 16.
    for i, (before, after, weights) in enumerate(targets):
        assert_same_bytes(after, weights if i % 2 else before)


def test_the_value_goes_on_after_truncation_and_ends_with_termination():
    def values(truncated):
        learner = DQN(Stipend(truncated), replace(SMALL_DQN, gamma=0.5, learning_rate=0.03, memory_decays=()))
        params = learner.env.default_params
        start = learner.init(0, params)
        state = lax.scan(lambda state, _: learner.update(state, params), start, length=100)[0]
        return learner.values(state, jnp.zeros((1, 1)))

    found = jit(jax.vmap(values))(jnp.array([True, False]))
    # Reward 1 for ever, each step worth half of the one before, is worth 2.
    np.testing.assert_allclose(found, [[2.0, 2.0], [1.0, 1.0]], atol=0.03)


class Raffle(Stipend):
    """One step, whose reward is 4 for one in four, else 0."""

    def noise(self, key, state, params):
        return Stream.from_key(key)

    def transition(self, state, action, noise, params):
        _, _, *ended, info = super().transition(state, action, None, params)
        return state, 4 * (noise.uniform() < 0.25).astype(float), *ended, info


def test_rare_rewards_are_valued_by_their_mean_only_where_the_loss_is_their_square():
    def values(delta):
        random = replace(SMALL_DQN, memory_decays=(), final_epsilon=1.0, replay_size=64 * 256)
        settings = replace(random, learning_rate=0.03, annealing_updates=100, huber_delta=delta)
        learner = DQN(Raffle(truncated=False), settings)
        params = learner.env.default_params
        start = learner.init(0, params)
        state = lax.scan(lambda state, _: learner.update(state, params), start, length=100)[0]
        return learner.values(state, jnp.zeros((1, 1)))[0], state.rewards.scale(jnp.ones(()))

    (linear, square), (_, unit) = jit(jax.vmap(values))(jnp.array([1.0, 1000.0]))
    # The mean is 1. Where losers' errors are squares and winners' linear, 3/4 of the value is 1/4 of delta.
    np.testing.assert_allclose(square / unit, [1.0, 1.0], atol=0.08)
    np.testing.assert_allclose(linear, [1 / 3, 1 / 3], atol=0.03)


def test_exploration_falls_in_equal_steps_and_stays(valued):
    learner = DQN(valued.learner.env, replace(SMALL_DQN, initial_epsilon=0.9, final_epsilon=0.1, exploration_updates=4))
    epsilon = [float(learner.epsilon(jnp.int32(updates))) for updates in range(7)]
    np.testing.assert_allclose(epsilon, [0.9, 0.7, 0.5, 0.3, 0.1, 0.1, 0.1], rtol=1e-6)


def test_restart_begins_a_new_episode_in_every_lane_and_forgets_the_former_market(valued):
    market = jnp.float32(10)
    restarted = valued.learner.restart(replace(valued.state, episode_return=jnp.ones(SMALL_DQN.num_envs)), market)
    assert (restarted.lanes.episode == valued.state.lanes.episode + 1).all()
    assert not restarted.episode_return.any()
    assert not restarted.memory.seen.any()
    assert not restarted.rewards.running_return.any()
    assert restarted.replay.count == 0
    assert_same_bytes(restarted.weights, valued.state.weights)
    state, metrics = valued.updates(restarted, market, 1)
    assert state.replay.count == ROLLOUT
    # The parameter is added to every return, which is at most 1 without it.
    assert 10.7 < float(metrics["mean_episode_return"]) <= 11


def test_every_lane_can_have_a_market_of_its_own():
    env = Recall(discrete=True)
    learner = DQN(env, replace(SMALL_DQN, params_axis=0))
    params = jnp.arange(SMALL_DQN.num_envs, dtype=jnp.float32)
    _, metrics = jit(lambda: learner.update(learner.init(0, params), params))()
    # A third of the first actions meet their target; the parameters' mean is 31.5.
    assert float(metrics["mean_episode_return"]) == pytest.approx(31.5 + 1 / 3, abs=0.25)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_envs": 0}, ValueError, r"num_envs must be an integer in \[1, "),
        ({"replay_size": 300}, ValueError, r"replay_size must be a multiple of num_envs \* num_steps, 256, got 300"),
        ({"n_step": 5}, ValueError, r"n_step must be an integer in \[1, 4\], got 5"),
        ({"n_step": 2.0}, TypeError, "n_step must be an integer"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer in"),
        ({"num_gradient_steps": -1}, ValueError, "num_gradient_steps must be an integer in"),
        ({"huber_delta": 0.0}, ValueError, r"huber_delta must be a finite number in \(0, 1e\+06\], got 0.0"),
        ({"target_period": 0}, ValueError, "target_period must be a finite number in"),
        ({"initial_epsilon": 1.1}, ValueError, "initial_epsilon must be a finite number in"),
        ({"final_epsilon": float("nan")}, ValueError, "final_epsilon must be a finite number in"),
        ({"exploration_updates": 0}, ValueError, "exploration_updates must be a finite number in"),
        ({"hidden_sizes": [16]}, TypeError, "hidden_sizes must be a tuple of integers"),
        ({"gamma": 1.1}, ValueError, "gamma must be a finite number in"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be a finite number in"),
    ],
)
def test_wrong_settings_are_refused_by_name(changes, error, message):
    with pytest.raises(error, match=message):
        DQN(Recall(discrete=True), replace(SMALL_DQN, **changes))


def test_continuous_actions_are_refused():
    with pytest.raises(TypeError, match="action_space must be Discrete for DQN, got Box"):
        DQN(Recall(discrete=False), SMALL_DQN)


def test_the_default_settings_are_valid():
    DQN(Recall(discrete=True), DQNSettings())
