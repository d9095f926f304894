"""Logged episodes against loops over single environments and against rollouts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.policies.constant import Constant
from rtb_envs.policies.uniform_random import UniformRandom
from rtb_envs.random import EVALUATE, Stream, lane_keys
from rtb_envs.rollouts import episode_chunks, log_episodes, rollout, traced
from rtb_envs.rollouts.chunk import POLICY_SITE
from tests.toy import Toy

TOY = Toy()
POLICY = UniformRandom.for_env(TOY)


@pytest.fixture(scope="module")
def log():
    return log_episodes(TOY, POLICY, 40, seed=3, max_steps=6)


def test_every_step_is_what_a_loop_over_one_environment_gives(log):
    params, key = TOY.default_params, lane_keys(3, EVALUATE, 40)[17]
    stream, episode_key = Stream.from_key(key).site(POLICY_SITE), jax.random.fold_in(key, 0)
    reset, act, step = jax.jit(TOY.reset_env), jax.jit(POLICY.act), jax.jit(TOY.step_env)
    observation, state = reset(episode_key, params)
    rows = np.flatnonzero(log.episode == 17)
    for t, row in enumerate(rows):
        action, _ = act(stream.step(t), (), observation)
        np.testing.assert_array_equal(log.observation[row], observation)
        np.testing.assert_array_equal(log.action[row], action)
        observation, state, reward, terminated, truncated, info = step(episode_key, state, action, params)
        np.testing.assert_array_equal(log.next_observation[row], observation)
        assert (log.reward[row], log.terminated[row], log.truncated[row]) == (reward, terminated, truncated)
        for name, value in info.items():
            np.testing.assert_array_equal(log.info[name][row], value)
    assert terminated | truncated
    np.testing.assert_array_equal(log.final_observation[17], observation)
    assert log.step[rows].tolist() == list(range(len(rows)))


def test_episodes_end_where_they_are_over_and_nowhere_else(log):
    over = log.terminated | log.truncated
    last = np.cumsum(log.lengths) - 1
    assert over[last].all()
    assert over.sum() == log.num_episodes == 40
    assert len(set(log.lengths.tolist())) > 2
    assert log.terminated.any()
    assert log.truncated.any()


def test_propensities_are_those_of_the_policy_that_acted(log):
    np.testing.assert_allclose(log.log_propensity, np.log(1 / 4))
    assert log_episodes(TOY, Constant(jnp.zeros(2)), 2, seed=0, max_steps=6).log_propensity is None


def test_an_episode_cut_off_by_max_steps_is_truncated_there(log):
    short = log_episodes(TOY, POLICY, 40, seed=3, max_steps=2)
    cut = (log.lengths > 2) & ~(log.terminated | log.truncated)[log.first_step]
    assert cut.any()
    np.testing.assert_array_equal(short.lengths, np.minimum(log.lengths, 2))
    assert short.truncated[short.first_step + short.lengths - 1][cut].all()
    np.testing.assert_array_equal(short.final_observation[cut], log.observation[log.first_step[cut] + 2])


def test_the_log_does_not_depend_on_how_episodes_are_divided_into_chunks(log, monkeypatch):
    monkeypatch.setattr(traced, "MAX_CHUNK_EPISODES", 16)
    parts = list(episode_chunks(TOY, POLICY, 40, seed=3, max_steps=6))
    assert [part.num_episodes for part in parts] == [16, 16, 8]
    together = log_episodes(TOY, POLICY, 40, seed=3, max_steps=6)
    for name in ("observation", "final_observation", "action", "reward", "lengths"):
        np.testing.assert_array_equal(getattr(together, name), getattr(log, name))
    np.testing.assert_array_equal(together.info["visited"], log.info["visited"])


def test_a_chunk_holds_no_more_than_its_bytes(log, monkeypatch):
    row = 6 * sum(value[:1].nbytes for value in (log.observation, log.action, log.reward, *log.info.values()))
    monkeypatch.setattr(traced, "CHUNK_BYTES", 10 * row)
    sizes = [part.num_episodes for part in episode_chunks(TOY, POLICY, 40, seed=3, max_steps=6)]
    assert max(sizes) <= 10
    assert sum(sizes) == 40


def test_the_same_seed_meets_the_markets_and_draws_the_actions_of_rollout(log):
    rolled = rollout(TOY, POLICY, 40, 6, seed=3)
    once = rolled.episodes == 1
    assert once.any()
    np.testing.assert_allclose(log.returns[once], rolled.totals["episode_return"][once], rtol=1e-6)
    np.testing.assert_array_equal(log.lengths[once], rolled.totals["episode_length"][once])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_episodes": 0}, ValueError, r"num_episodes must be an integer in \[1, 16777216\], got 0"),
        ({"seed": -1}, ValueError, "seed must be an integer in .*, got -1"),
        ({"max_steps": 0}, ValueError, r"max_steps must be an integer in \[1, 100000\], got 0"),
        ({"max_steps": None}, TypeError, "max_steps must be an integer where params tell no horizon, got None"),
        ({"env": "AdAuction"}, ValueError, "id must be one of .*; got 'AdAuction'"),
        ({"policy": UniformRandom}, TypeError, "policy must be an object with the methods init and act"),
        ({"policy": Constant(jnp.zeros(3))}, ValueError, r"policy must be one whose action is floats of shape \(2,\)"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(changes, error, message):
    arguments = {"env": TOY, "policy": POLICY, "num_episodes": 2, "seed": 0, "max_steps": 3}
    with pytest.raises(error, match=message):
        episode_chunks(**{**arguments, **changes})
