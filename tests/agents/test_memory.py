"""Averages of observations against sums written out in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from agents.memory import Memory

OBSERVATIONS = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)


def views(decays):
    """What a policy sees at each of the observations above."""
    memory, seen = Memory.start((2,), decays), []
    for observation in OBSERVATIONS:
        memory, view = memory.remember(jnp.asarray(observation), decays)
        seen.append(np.asarray(view))
    return np.stack(seen)


def test_a_view_begins_with_the_observation_itself():
    np.testing.assert_array_equal(views((0.5, 1.0))[:, 0], OBSERVATIONS)
    np.testing.assert_array_equal(views(()), OBSERVATIONS[:, None])


def test_an_average_without_decay_is_the_mean_of_all_observations_but_the_first():
    seen = views((1.0,))[:, 1]
    np.testing.assert_array_equal(seen[0], OBSERVATIONS[0])
    for t in range(1, len(OBSERVATIONS)):
        np.testing.assert_allclose(seen[t], OBSERVATIONS[1 : t + 1].mean(axis=0), rtol=1e-4, atol=1e-6)


def test_an_average_with_decay_forgets_geometrically():
    # Until 1 / n falls below 1 - 0.75 it is the mean of observations 1 to 4; then each later one takes a quarter.
    expected = OBSERVATIONS[1:5].mean(axis=0)
    for observation in OBSERVATIONS[5:]:
        expected = 0.75 * expected + 0.25 * observation
    np.testing.assert_allclose(views((0.75,))[-1, 1], expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_observations_of_any_shape_are_remembered(shape):
    memory, view = Memory.start(shape, (0.5, 1.0)).remember(jnp.ones(shape), (0.5, 1.0))
    assert view.shape == (3, *shape)
    assert memory.averages.shape == (2, *shape)
    assert memory.seen == 1
