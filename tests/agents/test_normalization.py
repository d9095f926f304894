"""Running statistics against NumPy's, in float64, over everything that was seen."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.normalization import CLIP, ObservationNormalizer, RewardNormalizer, RunningMoments


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([1, 6, 40]), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
    st.floats(-1e4, 1e4),
    st.floats(1, 1e3),
)
def test_moments_are_those_of_everything_seen_however_it_was_cut_into_batches(sizes, seed, offset, spread):
    rng = np.random.default_rng(seed)
    batches = [(offset + spread * rng.normal(size=(size, 2))).astype(np.float32) for size in sizes]
    moments = RunningMoments.start((2,))
    for batch in batches:
        moments = moments.update(jnp.asarray(batch))
    seen = np.concatenate(batches).astype(np.float64)
    assert float(moments.count) == len(seen)
    np.testing.assert_allclose(moments.mean, seen.mean(axis=0), rtol=1e-5, atol=1e-3 * spread)
    # A mean of a few entries near the offset is off by some units in its last place, which the variance feels squared.
    rounding = (8 * np.spacing(np.float32(abs(offset) + 4 * spread))) ** 2
    np.testing.assert_allclose(moments.variance, seen.var(axis=0), rtol=1e-3, atol=1e-4 * spread + rounding)


def test_moments_stay_exact_in_float32_far_from_zero_and_over_many_batches():
    rng = np.random.default_rng(0)
    batches = (10_000 + rng.normal(size=(400, 500))).astype(np.float32)
    moments = RunningMoments.start(())
    for batch in batches:
        moments = moments.update(jnp.asarray(batch))
    # The naive mean of squares less the square of the mean is off by 10,000**2 * 2**-24 = 6 here.
    np.testing.assert_allclose(moments.variance, batches.astype(np.float64).var(), rtol=2e-3)
    np.testing.assert_allclose(moments.mean, batches.astype(np.float64).mean(), rtol=1e-6)


def test_before_anything_is_seen_features_are_the_observation_and_its_symmetric_logarithm():
    observation = np.array([[0.0, -3.0], [0.5, 7.0]], np.float32)
    features = ObservationNormalizer.start((2,)).features(jnp.asarray(observation))
    expected = np.concatenate([observation, np.sign(observation) * np.log(1 + np.abs(observation))], axis=1)
    np.testing.assert_allclose(features, expected, rtol=1e-5)


def test_features_of_what_was_seen_have_mean_0_and_variance_1():
    rng = np.random.default_rng(1)
    observation = np.stack([rng.uniform(0, 3000, 500), rng.lognormal(3, 2, 500), rng.integers(0, 24, 500)], axis=1)
    batch = jnp.asarray(observation.reshape(50, 10, 3), jnp.float32)
    features = np.asarray(ObservationNormalizer.start((3,)).update(batch).features(batch), np.float64)
    assert features.shape == (50, 10, 6)
    unclipped = np.abs(features).max(axis=(0, 1)) < CLIP
    assert unclipped[[0, 2, 3, 4, 5]].all()
    np.testing.assert_allclose(features.mean(axis=(0, 1))[unclipped], 0, atol=1e-4)
    np.testing.assert_allclose(features.var(axis=(0, 1))[unclipped], 1, rtol=1e-3)


@pytest.mark.parametrize("extreme", [0.0, 3e38, -3e38, 1e-38])
def test_features_are_finite_and_bounded_for_every_finite_observation(extreme):
    seen = ObservationNormalizer.start((1,)).update(jnp.full((4, 1), 5.0))
    features = np.asarray(seen.features(jnp.array([extreme])))
    assert np.isfinite(features).all()
    assert (np.abs(features) <= CLIP).all()


def test_observations_of_any_shape_are_flattened_behind_the_batch():
    normalizer = ObservationNormalizer.start((2, 3))
    assert normalizer.features(jnp.zeros((2, 3))).shape == (12,)
    assert normalizer.features(jnp.zeros((5, 4, 2, 3))).shape == (5, 4, 12)
    assert normalizer.update(jnp.ones((5, 4, 2, 3))).moments.count == 20


def test_rewards_are_divided_by_the_root_mean_square_of_the_discounted_return_so_far():
    rng = np.random.default_rng(2)
    reward = rng.normal(1, 2, size=(3, 10, 4)).astype(np.float32)
    over = rng.random((3, 10, 4)) < 0.3
    normalizer = RewardNormalizer.start((4,))
    for one_reward, one_over in zip(reward, over, strict=True):
        normalizer = normalizer.update(jnp.asarray(one_reward), jnp.asarray(one_over), 0.9)
    running, returns = np.zeros(4), []
    for one_reward, one_over in zip(reward.reshape(30, 4), over.reshape(30, 4), strict=True):
        running = 0.9 * running + one_reward
        returns.append(running)
        running = np.where(one_over, 0, running)
    scale = np.sqrt(np.mean(np.square(returns)))
    np.testing.assert_allclose(normalizer.scale(jnp.asarray(reward)), reward / scale, rtol=1e-5)
    np.testing.assert_allclose(normalizer.running_return, running, rtol=1e-5)
    assert normalizer.restart().running_return.tolist() == [0, 0, 0, 0]


def test_rewards_that_never_vary_come_out_of_size_1():
    normalizer = RewardNormalizer.start((2,)).update(jnp.full((6, 2), -5.0), jnp.ones((6, 2), bool), 1.0)
    np.testing.assert_allclose(normalizer.scale(jnp.float32(-5)), -1, rtol=1e-6)


def test_rewards_that_are_all_zero_stay_zero():
    normalizer = RewardNormalizer.start((2,)).update(jnp.zeros((6, 2)), jnp.zeros((6, 2), bool), 1.0)
    assert float(normalizer.scale(jnp.float32(0))) == 0
