"""The day curve and search volumes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rtb_envs.random import Stream
from rtb_envs.users.traffic import HOUR_WEIGHTS, expected_search_volume, hour_weights, search_volume

PUBLISHED = [
    *(0.811, 0.327, 0.195, 0.154, 0.220, 0.564, 0.859, 1.204, 1.668, 1.692, 1.682, 1.417),
    *(1.102, 1.111, 1.025, 1.044, 1.073, 0.875, 0.824, 0.965, 1.202, 1.433, 1.337, 1.216),
]


def test_the_day_curve_is_the_published_one_with_mean_one():
    assert len(HOUR_WEIGHTS) == 24
    assert np.mean(HOUR_WEIGHTS) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(HOUR_WEIGHTS, PUBLISHED, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(horizon=st.integers(1, 400))
def test_weights_have_mean_one_and_keep_the_traffic_of_each_part_of_the_day(horizon):
    weights = np.asarray(hour_weights(horizon), np.float64)
    assert weights.shape == (horizon,)
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    # Traffic by a fine Riemann sum over the curve, 1,000 points in each step.
    hours = (np.arange(horizon * 1000) + 0.5) * 24 / (horizon * 1000)
    by_sum = np.asarray(HOUR_WEIGHTS)[hours.astype(int)].reshape(horizon, 1000).mean(axis=1)
    np.testing.assert_allclose(weights, by_sum, atol=0.002 * max(1, 24 / horizon))


def test_one_step_an_hour_is_the_curve_itself_and_two_an_hour_repeat_it():
    np.testing.assert_allclose(hour_weights(24), HOUR_WEIGHTS, rtol=1e-6)
    np.testing.assert_allclose(hour_weights(48), np.repeat(HOUR_WEIGHTS, 2), rtol=1e-5)


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_day_without_steps_is_refused(horizon):
    with pytest.raises(ValueError, match="horizon: got"):
        hour_weights(horizon)


def test_volumes_are_truncated_normals_with_a_minimum():
    uniform = np.linspace(0.001, 0.999, 999, dtype=np.float32)
    expected = np.maximum(200 + 20 * stats.norm.ppf(uniform.astype(np.float64)), 180)
    volume = search_volume(uniform, 200.0, 20.0, 180)
    assert volume.dtype == jnp.int32
    near_an_integer = np.abs(expected - np.round(expected)) < 1e-3
    np.testing.assert_array_equal(volume[~near_an_integer], np.floor(expected[~near_an_integer]))
    assert volume.min() == 180


def test_a_volume_without_spread_is_its_mean_without_the_fraction():
    assert search_volume(jnp.array([0.1, 0.9]), jnp.array([7.9, 3.2]), 0.0, 5).tolist() == [7, 5]


@pytest.mark.parametrize(
    ("mean", "std", "minimum"), [(200, 20, 10), (12, 5, 10.5), (12, 5, 10), (7.5, 0, 2), (7.5, 0, 9.5), (0, 3, 0)]
)
def test_the_expected_volume_is_the_mean_of_the_draws(mean, std, minimum):
    uniform = (jnp.arange(2**18) + 0.5) / 2**18
    drawn = np.asarray(search_volume(uniform, mean, std, minimum), float).mean()
    # Sums over evenly spread quantiles err by a step's height at most at each whole number.
    assert expected_search_volume(mean, std, minimum) == pytest.approx(drawn, abs=1e-3)


def test_expected_volumes_of_several_steps_are_those_of_each():
    expected = expected_search_volume(np.float32([200, 7.5]), np.float32([20, 0]), 10)
    np.testing.assert_allclose(expected, [199.5, 10], rtol=1e-9)


def test_the_mean_volume_is_half_an_auction_below_that_of_the_normal():
    # Truncating a spread-out normal costs 1/2. Fixed seed; 4.5 standard errors, false-alarm rate 7e-6.
    uniform = Stream.from_key(jax.random.key(2)).uniform(jnp.arange(200_000))
    volume = np.asarray(search_volume(uniform, 200.0, 20.0, 10))
    assert abs(volume.mean() - 199.5) < 4.5 * volume.std() / np.sqrt(volume.size)
