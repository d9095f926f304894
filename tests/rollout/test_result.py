"""Means, intervals, tables and text of a rollout, from given totals; and how totals are added up."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs import compile
from rtb_envs.rollouts import Rollout
from rtb_envs.rollouts.chunk import add_compensated


def given(episodes, **totals):
    """A rollout of 10 steps that ran for two seconds."""
    totals = {name: np.array(total, float) for name, total in totals.items()}
    return Rollout("Market-v0", 10, np.array(episodes), totals, compile_seconds=1.5, run_seconds=2.0)


def test_with_one_episode_a_lane_the_interval_is_that_of_a_plain_mean():
    returns = np.array([1.0, 2.0, 4.0, 9.0])
    result = given([1, 1, 1, 1], episode_return=returns)
    error = returns.std(ddof=1) / 2
    assert result.mean_return == 4.0
    assert result.mean_return_interval == pytest.approx((4 - 1.959964 * error, 4 + 1.959964 * error))


def test_the_mean_weighs_episodes_equally_and_not_lanes():
    result = given([1, 3], episode_return=[2.0, 18.0], episode_cost=[4.0, 0.0])
    assert result.mean_return == 20 / 4
    assert result.mean("episode_cost") == 1


# 400 rollouts with true mean 2 miss it Binomial(400, p) times; p is .05 but for the approximation to the normal law,
# which makes it about .06 at 40 lanes. More than 48 misses, or fewer than 4, have a probability below 1e-5 each.
def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    misses = 0
    for _ in range(400):
        episodes = rng.integers(1, 6, 40)
        returns = np.array([rng.exponential(2, count).sum() for count in episodes])
        low, high = given(episodes, episode_return=returns).mean_return_interval
        misses += not low <= 2 <= high
    assert 4 <= misses <= 48


def test_without_a_finished_episode_or_a_second_lane_there_is_no_number():
    nothing = given([0, 0], episode_return=[0, 0])
    assert math.isnan(nothing.mean_return)
    assert all(map(math.isnan, nothing.mean_return_interval))
    alone = given([5], episode_return=[10.0])
    assert alone.mean_return == 2
    assert all(map(math.isnan, alone.mean_return_interval))
    assert "nan" not in repr(nothing) + repr(alone)


def test_the_frame_has_a_row_a_lane_with_means_over_its_episodes():
    frame = given([2, 0, 1], episode_return=[3.0, 0.0, 4.0], episode_cost=[10.0, 0.0, 30.0]).frame()
    assert frame.columns == ["lane", "episodes", "episode_return", "episode_cost"]
    assert frame.rows() == [(0, 2, 1.5, 5.0), (1, 0, None, None), (2, 1, 4.0, 30.0)]


def test_the_text_tells_sizes_means_intervals_and_speed_with_their_units():
    text = repr(given([1] * 4, episode_return=[1.0, 2.0, 4.0, 9.0], episode_cost=[1000.0] * 4))
    assert text.splitlines() == [
        "Rollout of Market-v0: 4 lanes x 10 steps, 4 finished episodes",
        "  mean per episode                       95 % interval",
        "  return                         4   [0.5122, 7.488]",
        "  cost                       1,000   [1,000, 1,000]",
        "  compiled in 1.5 s, ran in 2 s: 20 steps/s",
    ]


def test_an_unknown_quantity_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="name must be one of 'episode_return', got 'return'"):
        given([1], episode_return=[1.0]).mean("return")


def test_totals_of_long_runs_lose_nothing():
    values = (np.random.default_rng(0).random((100_000, 3)) * 1e4).astype(np.float32)

    def add_all(values):
        zero = jnp.zeros(3)
        return jax.lax.scan(lambda total, value: (add_compensated(total, value), None), (zero, zero), values)[0]

    rounded, roundings = compile.jit(add_all)(values)
    total = np.asarray(rounded, float) + np.asarray(roundings, float)
    exact = np.array([math.fsum(column) for column in values.T])
    np.testing.assert_allclose(total, exact, rtol=1e-9)
    plain = np.cumsum(values, axis=0, dtype=np.float32)[-1]
    assert np.abs(plain - exact).max() > 100
