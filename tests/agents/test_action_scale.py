"""Actions whose entries are spread each in its own way: some evenly, some evenly in the logarithm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

from agents.distributions import BoxActions, actions_of
from agents.stochastic_policy import _latent
from rtb_envs.action_scale import logarithmic
from rtb_envs.policies.exploration import GaussianExploration
from rtb_envs.policies.uniform_random import UniformRandom
from rtb_envs.random import Stream

SPACE = spaces.Box(np.float32([0.01, 0, 1]), np.float32([20, 5, 10]))
MIXED = ("log", "linear", "linear")
ACTIONS = actions_of(SPACE, MIXED)


class Market:
    """What rules that draw are built from."""

    default_params = None
    action_scale = MIXED

    def action_space(self, params):
        return SPACE

    def observation_space(self, params):
        return spaces.Box(0, 1, (2,), np.float32)


class Constant:
    """A rule that always plays the same action."""

    def init(self, params):
        return ()

    def act(self, stream, carry, observation):
        return jnp.float32([0.5, 2.0, 5.0]), carry


def draws(rule, count=4000):
    def draw(key):
        return rule.act(Stream.from_key(key), rule.init(None), jnp.zeros(2))[0]

    return np.asarray(jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), count)))


def test_the_middle_latent_is_the_geometric_mean_of_a_log_entry_and_the_mean_of_a_linear_one():
    action = ACTIONS.to_action(jnp.zeros(3))
    np.testing.assert_allclose(action, [np.sqrt(0.01 * 20), 2.5, 5.5], rtol=1e-6)


def test_a_mixed_box_is_the_two_pure_ones_entry_by_entry():
    latent = jax.random.normal(jax.random.key(1), (7, 3)) * 3
    log = BoxActions((0.01, 1, 1), (20, 5, 10), (3,), "log").to_action(latent)
    linear = BoxActions((0.01, 0, 1), (20, 5, 10), (3,), "linear").to_action(latent)
    mixed = ACTIONS.to_action(latent)
    np.testing.assert_array_equal(mixed[:, 0], log[:, 0])
    np.testing.assert_array_equal(mixed[:, 1:], linear[:, 1:])


def test_the_jacobian_of_a_mixed_map_is_that_of_differentiating_it():
    latent = jnp.float32([-1.0, 0.5, 2.0])
    found, log_stretch = _latent(ACTIONS, ACTIONS.to_action(latent))
    jacobian = jax.jacobian(ACTIONS.to_action)(latent)
    np.testing.assert_allclose(found, latent, rtol=1e-4)
    np.testing.assert_allclose(log_stretch, np.log(np.linalg.det(jacobian)), rtol=1e-4)


def test_random_actions_are_even_in_the_logarithm_of_log_entries_only():
    rule = UniformRandom.for_env(Market())
    actions = draws(rule)
    shares = [np.log(actions[:, 0] / 0.01) / np.log(2000), actions[:, 1] / 5, (actions[:, 2] - 1) / 9]
    # Kolmogorov-Smirnov at a fixed seed: a false alarm in 3 of 10,000 seeds.
    assert min(stats.kstest(share, "uniform").pvalue for share in shares) > 1e-4
    density = np.exp(rule.log_propensity((), None, jnp.float32([0.5, 2.0, 5.0])))
    np.testing.assert_allclose(density, 1 / (0.5 * np.log(2000)) / 5 / 9, rtol=1e-5)


def test_exploration_is_log_normal_in_log_entries_only():
    rule = GaussianExploration.for_env(Market(), Constant(), std=0.2)
    actions = draws(rule)
    standardised = (np.stack([np.log(actions[:, 0] / 0.5), actions[:, 1] - 2, actions[:, 2] - 5])) / 0.2
    assert min(stats.kstest(entry, "norm").pvalue for entry in standardised) > 1e-4
    density = np.exp(rule.log_propensity((), jnp.zeros(2), jnp.float32([0.6, 2.1, 5.3])))
    laws = stats.lognorm(0.2, scale=0.5).pdf(0.6) * stats.norm(2, 0.2).pdf(2.1) * stats.norm(5, 0.2).pdf(5.3)
    np.testing.assert_allclose(density, laws, rtol=1e-4)


@pytest.mark.parametrize(
    ("scale", "shape", "message"),
    [
        (("log", "linear"), (3,), "one spread for each of the 3 entries"),
        ("cubic", (3,), "'linear' or 'log'"),
        (("log",), (), "one spread for each of the 1 entries"),
    ],
)
def test_a_wrong_scale_is_refused(scale, shape, message):
    with pytest.raises(ValueError, match=f"action_scale must be .*{message}"):
        logarithmic(scale, shape)


def test_a_log_entry_needs_a_positive_bound_and_a_linear_one_does_not():
    with pytest.raises(ValueError, match="a Box with positive bounds where action_scale is 'log'"):
        actions_of(SPACE, ("log", "log", "linear"))
