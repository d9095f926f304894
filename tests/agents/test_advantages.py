"""Generalised advantage estimation, against hand-worked cases and a sum written out in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.advantages import generalized_advantages, relative_to_market
from rtb_envs.compile import jit

REWARD = [1.0, 2.0, 3.0]
VALUE = [10.0, 20.0, 30.0]
NEXT_VALUE = [20.0, 30.0, 40.0]


def advantages(terminated, truncated, gamma=0.5, gae_lambda=0.5):
    """Of one lane with the rewards and values above."""
    columns = [jnp.asarray(column, jnp.float32)[:, None] for column in (REWARD, VALUE, NEXT_VALUE)]
    flags = [jnp.asarray(flag, bool)[:, None] for flag in (terminated, truncated)]
    return np.asarray(generalized_advantages(*columns, *flags, gamma, gae_lambda))[:, 0]


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        # Surprises: 1 + 10 - 10 = 1, 2 + 15 - 20 = -3, 3 + 20 - 30 = -7; each later one counts a quarter.
        ([0, 0, 0], [0, 0, 0], [1 + (-3 + -7 / 4) / 4, -3 - 7 / 4, -7]),
        # Nothing follows a termination: the surprise is 2 - 20 = -18, and the step after it does not count.
        ([0, 1, 0], [0, 0, 0], [1 - 18 / 4, -18, -7]),
        # A truncated episode would have gone on: its surprise keeps the value of the final observation.
        ([0, 0, 0], [0, 1, 0], [1 - 3 / 4, -3, -7]),
        # Where both are said, the task has ended.
        ([0, 1, 0], [0, 1, 0], [1 - 18 / 4, -18, -7]),
        ([0, 0, 1], [0, 0, 0], [1 + (-3 + -27 / 4) / 4, -3 - 27 / 4, -27]),
    ],
)
def test_advantages_of_a_hand_worked_episode(terminated, truncated, expected):
    assert advantages(terminated, truncated).tolist() == expected


def test_lambda_zero_looks_one_step_ahead():
    assert advantages([0, 0, 0], [0, 0, 0], gae_lambda=0).tolist() == [1, -3, -7]


def test_lambda_one_without_discount_is_the_return_less_the_value():
    assert advantages([0, 0, 1], [0, 0, 0], gamma=1, gae_lambda=1).tolist() == [6 - 10, 5 - 20, 3 - 30]


@pytest.fixture(scope="module")
def compiled():
    return jit(generalized_advantages)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gamma=st.floats(0, 1), gae_lambda=st.floats(0, 1))
def test_advantages_are_the_weighted_sum_of_surprises_up_to_the_episodes_end(compiled, seed, gamma, gae_lambda):
    rng = np.random.default_rng(seed)
    reward, value, next_value = rng.normal(size=(3, 8, 3)).astype(np.float32)
    terminated, truncated = rng.random((2, 8, 3)) < 0.2
    expected = np.zeros((8, 3))
    for lane in range(3):
        for start in range(8):
            weight = 1.0
            for t in range(start, 8):
                follows = 0 if terminated[t, lane] else next_value[t, lane]
                expected[start, lane] += weight * (reward[t, lane] + gamma * follows - value[t, lane])
                weight *= gamma * gae_lambda
                if terminated[t, lane] or truncated[t, lane]:
                    break
    found = compiled(reward, value, next_value, terminated, truncated, gamma, gae_lambda)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_relative_advantages_are_measured_against_the_other_lanes_of_the_market():
    advantage = jnp.array([[1.0, 2.0, 6.0, 10.0, 0.0, 5.0], [0.0, 0.0, 3.0, 1.0, 1.0, 1.0]])
    expected = [[1 - 4, 2 - 3.5, 6 - 1.5, 10 - 2.5, 0 - 7.5, 5 - 5], [-1.5, -1.5, 3, 0, 0, 0]]
    assert relative_to_market(advantage, lanes_per_market=3).tolist() == expected


def test_an_advantage_alone_in_its_market_stays_as_it_is():
    advantage = jnp.array([[1.0, -2.0, 6.0]])
    assert relative_to_market(advantage, lanes_per_market=1).tolist() == advantage.tolist()


def test_the_luck_of_a_market_cancels_and_the_policy_gradient_keeps_its_mean():
    rng = np.random.default_rng(0)
    action = rng.normal(size=(1, 4000, 4))
    luck = 10 * rng.normal(size=(1, 4000, 1))
    advantage = jnp.asarray((2 * action + luck).reshape(1, -1), jnp.float32)
    relative = np.asarray(relative_to_market(advantage, lanes_per_market=4), np.float64).reshape(action.shape)
    # The score of a standard normal's mean is the action, and the gradient of E[2 * action] is 2. Five standard errors:
    # over seeds it would fail less than once in a million.
    gradient = action * relative
    assert abs(gradient.mean() - 2) < 5 * gradient.std() / np.sqrt(gradient.size)
    assert gradient.std() < 0.5 * (action * np.asarray(advantage).reshape(action.shape)).std()
