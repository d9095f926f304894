"""Densities against SciPy and numerical integrals; actions against the bounds of their space."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.distributions import BoxActions, Categorical, DiagonalGaussian, DiscreteActions, actions_of

LOGITS = np.array([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]], np.float32)
BOXES = {
    "linear": BoxActions(low=(-2.0,), high=(6.0,), shape=(1,), scale="linear"),
    "log": BoxActions(low=(0.1,), high=(10.0,), shape=(1,), scale="log"),
}
LATENT_OF = {
    "linear": lambda action: scipy.special.logit((action + 2) / 8),
    "log": lambda action: scipy.special.logit(np.log(action / 0.1) / np.log(100)),
}


def test_categorical_probabilities_and_entropy_are_scipys():
    distribution = Categorical(jnp.asarray(LOGITS))
    probability = scipy.special.softmax(LOGITS, axis=1)
    for index in range(3):
        found = distribution.log_density(jnp.full(2, index))
        np.testing.assert_allclose(found, np.log(probability[:, index]), rtol=1e-5)
    np.testing.assert_allclose(distribution.entropy(), scipy.stats.entropy(probability, axis=1), rtol=1e-5)
    assert distribution.mode()[0] == 2


def test_categorical_draws_follow_their_probabilities():
    draws = Categorical(jnp.broadcast_to(LOGITS[0], (20_000, 3))).sample(jax.random.key(0))
    observed = np.bincount(draws, minlength=3)
    expected = 20_000 * scipy.special.softmax(LOGITS[0].astype(np.float64))
    # The seed is fixed; over seeds it would fail once in 10,000.
    assert scipy.stats.chisquare(observed, expected).pvalue > 1e-4


def test_gaussian_density_and_entropy_are_scipys():
    mean, log_std = np.array([0.3, -1.0], np.float32), np.array([-0.5, 0.7], np.float32)
    distribution = DiagonalGaussian(jnp.asarray(mean), jnp.asarray(log_std))
    oracle = scipy.stats.multivariate_normal(mean, np.diag(np.exp(2 * log_std.astype(np.float64))))
    latent = np.array([1.5, 0.2], np.float32)
    np.testing.assert_allclose(distribution.log_density(jnp.asarray(latent)), oracle.logpdf(latent), rtol=1e-5)
    np.testing.assert_allclose(distribution.entropy(), oracle.entropy(), rtol=1e-5)


def test_gaussian_draws_follow_their_density():
    distribution = DiagonalGaussian(jnp.full((20_000, 1), 0.5), jnp.array([-1.0]))
    draws = np.asarray(distribution.sample(jax.random.key(1)))[:, 0]
    # The seed is fixed; over seeds it would fail once in 10,000.
    assert scipy.stats.kstest(draws, scipy.stats.norm(0.5, np.exp(-1)).cdf).pvalue > 1e-4


@pytest.mark.parametrize("scale", BOXES)
def test_the_density_of_actions_by_change_of_variables_integrates_to_1(scale):
    actions, latent_of = BOXES[scale], LATENT_OF[scale]
    distribution = DiagonalGaussian(jnp.array([0.4]), jnp.array([0.1]))
    edges = np.linspace(actions.low[0], actions.high[0], 20_001)[1:-1]
    latent = latent_of(edges)
    np.testing.assert_allclose(actions.to_action(jnp.asarray(latent[:, None]))[:, 0], edges, rtol=1e-4, atol=1e-4)
    density = np.exp(jax.vmap(distribution.log_density)(jnp.asarray(latent[:, None], jnp.float32)))
    density_of_action = density * np.gradient(latent, edges)
    assert np.trapezoid(density_of_action, edges) == pytest.approx(1, abs=2e-3)
    mean_by_integral = np.trapezoid(edges * density_of_action, edges)
    draws = jax.vmap(distribution.sample)(jax.random.split(jax.random.key(2), 20_000))
    drawn = np.asarray(actions.to_action(draws), np.float64)
    # Five standard errors: over seeds it would fail less than once in a million.
    assert abs(drawn.mean() - mean_by_integral) < 5 * drawn.std() / np.sqrt(len(drawn)) + 0.01


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(BOXES)), st.floats(-(2.0**100), 2.0**100, width=32))
def test_no_latent_leaves_the_box(scale, latent):
    actions = BOXES[scale]
    action = np.asarray(actions.to_action(jnp.array([latent], jnp.float32)))
    assert spaces.Box(actions.low[0], actions.high[0], (1,), np.float32).contains(action)


def test_the_latent_0_is_the_middle_in_the_spacing_of_the_box():
    assert BOXES["linear"].to_action(jnp.zeros(1)).tolist() == [2.0]
    np.testing.assert_allclose(BOXES["log"].to_action(jnp.zeros(1)), [1.0], rtol=1e-6)


def test_actions_have_the_shape_of_their_box():
    box = BoxActions((0.0,) * 6, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (2, 3))
    action = box.to_action(jnp.zeros((7, 6)))
    assert action.shape == (7, 2, 3)
    assert action[0].tolist() == [[0.5, 1.0, 1.5], [2.0, 2.5, 3.0]]


def test_actions_are_read_off_their_space():
    assert actions_of(spaces.Discrete(4, start=2), "linear") == DiscreteActions(4, 2)
    assert DiscreteActions(4, 2).to_action(jnp.int32(3)) == 5
    low, high = np.array([0.5, 1.0], np.float32), np.array([2.0, 4.0], np.float32)
    assert actions_of(spaces.Box(low, high), "log") == BoxActions((0.5, 1.0), (2.0, 4.0), (2,), "log")


@pytest.mark.parametrize(
    ("space", "scale", "error", "message"),
    [
        (spaces.MultiBinary(2), "linear", TypeError, "action_space must be Discrete or a Box of floats"),
        (spaces.Box(0, 5, (1,), np.int32), "linear", TypeError, "action_space must be Discrete or a Box of floats"),
        (spaces.Box(0, np.inf, (1,)), "linear", ValueError, "action_space must be a Box with finite bounds"),
        (spaces.Box(0, 1, (1,)), "log", ValueError, "a Box with positive bounds where action_scale is 'log'"),
    ],
)
def test_spaces_that_cannot_be_served_are_refused(space, scale, error, message):
    with pytest.raises(error, match=message):
        actions_of(space, scale)


def test_an_action_of_several_choices_has_the_sum_of_their_numbers():
    actions = DiscreteActions(6, factors=(2, 3))
    outputs = jnp.float32([10, 20, 1, 2, 3])
    assert actions.outputs == 5
    assert actions.logits(outputs).tolist() == [11, 12, 13, 21, 22, 23]
    assert actions.logits(jnp.stack([outputs, 2 * outputs])).shape == (2, 6)
    assert DiscreteActions(5).logits(outputs).tolist() == outputs.tolist()
