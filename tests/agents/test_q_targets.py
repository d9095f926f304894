"""The targets of action values, against hand-worked cases and sums written out in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.q_targets import double_q_targets, n_step_returns
from rtb_envs.compile import jit

REWARD = [1.0, 2.0, 4.0, 8.0]


def returns(terminated, truncated, n, gamma=0.5):
    """Of one lane with the rewards above: lists of rewards, discounts and last steps."""
    columns = [jnp.asarray(flag, bool)[:, None] for flag in (terminated, truncated)]
    found = n_step_returns(jnp.asarray(REWARD)[:, None], *columns, gamma, n)
    return [np.asarray(column)[:, 0].tolist() for column in found]


@pytest.mark.parametrize(
    ("terminated", "truncated", "n", "expected"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], 1, ([1, 2, 4, 8], [0.5] * 4, [0, 1, 2, 3])),
        # 1 + 2/2, 2 + 4/2, 4 + 8/2; the rollout ends before the last has a second reward.
        ([0, 0, 0, 0], [0, 0, 0, 0], 2, ([2, 4, 8, 8], [0.25, 0.25, 0.25, 0.5], [1, 2, 3, 3])),
        ([0, 0, 0, 0], [0, 0, 0, 0], 3, ([3, 6, 8, 8], [0.125, 0.125, 0.25, 0.5], [2, 3, 3, 3])),
        # Nothing follows a termination, and no return reaches beyond it.
        ([0, 1, 0, 0], [0, 0, 0, 0], 3, ([2, 2, 8, 8], [0, 0, 0.25, 0.5], [1, 1, 3, 3])),
        # A truncated episode would have gone on from the observation that its last step led to.
        ([0, 0, 0, 0], [0, 1, 0, 0], 3, ([2, 2, 8, 8], [0.25, 0.5, 0.25, 0.5], [1, 1, 3, 3])),
        # Where both are said, the task has ended.
        ([0, 1, 0, 0], [0, 1, 0, 0], 2, ([2, 2, 8, 8], [0, 0, 0.25, 0.5], [1, 1, 3, 3])),
    ],
)
def test_n_step_returns_of_a_hand_worked_rollout(terminated, truncated, n, expected):
    assert returns(terminated, truncated, n) == [list(column) for column in expected]


@pytest.fixture(scope="module", params=[1, 4, 8])
def compiled(request):
    n = request.param
    return n, jit(lambda *arguments: n_step_returns(*arguments, n))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gamma=st.floats(0, 1))
def test_n_step_returns_are_the_sums_up_to_the_episodes_end_or_the_rollouts(compiled, seed, gamma):
    n, function = compiled
    rng = np.random.default_rng(seed)
    reward = rng.normal(size=(8, 3)).astype(np.float32)
    terminated, truncated = rng.random((2, 8, 3)) < 0.15
    total, discount, last = np.zeros((8, 3)), np.zeros((8, 3)), np.zeros((8, 3), int)
    for lane in range(3):
        for start in range(8):
            weight = 1.0
            for t in range(start, min(start + n, 8)):
                total[start, lane] += weight * reward[t, lane]
                weight *= gamma
                last[start, lane] = t
                if terminated[t, lane] or truncated[t, lane]:
                    break
            discount[start, lane] = 0 if terminated[t, lane] else weight
    found = function(reward, terminated, truncated, gamma)
    np.testing.assert_allclose(found.reward, total, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.discount, discount, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.last, last)


def test_the_network_chooses_the_next_action_and_the_target_network_values_it():
    # Chosen: action 1, whose target value is 10, though 30 would be the most; then action 0 of equals.
    next_values = jnp.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0], [0.0, 1.0, 2.0]])
    next_target_values = jnp.array([[20.0, 10.0, 30.0], [4.0, 8.0, 6.0], [7.0, 7.0, 7.0]])
    targets = double_q_targets(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.5, 0.25, 0.0]), next_values, next_target_values)
    assert targets.tolist() == [1 + 0.5 * 10, 2 + 0.25 * 4, 3]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_double_q_targets_are_those_of_a_loop(seed):
    rng = np.random.default_rng(seed)
    reward, discount = rng.normal(size=6), rng.random(6)
    chooser, judge = rng.normal(size=(2, 6, 4))
    expected = [reward[i] + discount[i] * judge[i][max(range(4), key=lambda a: chooser[i][a])] for i in range(6)]
    arrays = [jnp.asarray(array, jnp.float32) for array in (reward, discount, chooser, judge)]
    np.testing.assert_allclose(double_q_targets(*arrays), expected, rtol=1e-5, atol=1e-6)
