"""A network that draws its actions, and the propensities that it tells."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from agents.distributions import BoxActions, DiscreteActions
from agents.network_policy import NetworkPolicy, PolicySpec
from agents.stochastic_policy import StochasticNetworkPolicy
from rtb_envs import compile
from rtb_envs.policies.stochastic import is_stochastic
from rtb_envs.random import Stream

OBSERVATION = jnp.array([0.5, -1.0])
ACTIONS = {
    "discrete": DiscreteActions(4, start=2),
    "linear": BoxActions((-1.0,), (3.0,), (1,)),
    "log": BoxActions((0.1,), (10.0,), (1,), "log"),
}


def policy_of(actions):
    """A network with random weights, none of them zero."""
    empty = NetworkPolicy.empty(PolicySpec((2,), actions, (8,), "tanh", (0.9,)))
    rng = np.random.default_rng(0)

    def filled(leaf):
        return jnp.asarray(rng.uniform(0.05, 0.3, leaf.shape), leaf.dtype)

    return StochasticNetworkPolicy(jax.tree.map(filled, empty))


def drawn(policy, count):
    def draw(stream, policy):
        carry = policy.init(None)
        action, _ = policy.act(stream, carry, OBSERVATION)
        return action, policy.log_propensity(carry, OBSERVATION, action)

    streams = Stream.from_key(jax.random.split(jax.random.key(0), count))
    return jax.device_get(compile.jit(jax.vmap(draw, (0, None)))(streams, policy))


# A right sampler fails each of these two tests with probability 1e-6.
def test_discrete_actions_are_drawn_by_their_probabilities():
    policy = policy_of(ACTIONS["discrete"])
    carry = policy.init(None)
    log_probability = [policy.log_propensity(carry, OBSERVATION, jnp.int32(action)) for action in range(2, 6)]
    probability = np.exp(np.asarray(log_probability, float))
    assert probability.sum() == pytest.approx(1, abs=1e-5)
    actions, log_propensity = drawn(policy, 20_000)
    np.testing.assert_allclose(np.exp(log_propensity), probability[actions - 2], rtol=1e-5)
    counts = np.bincount(actions - 2, minlength=4)
    assert stats.chisquare(counts, probability / probability.sum() * 20_000).pvalue > 1e-6


@pytest.mark.parametrize("kind", ["linear", "log"])
def test_a_box_s_density_integrates_to_one_and_is_that_of_the_draws(kind):
    policy, box = policy_of(ACTIONS[kind]), ACTIONS[kind]
    latent = jnp.linspace(-9, 9, 20_001)[:, None]
    grid = np.unique(np.asarray(box.to_action(latent))[:, 0])
    carry = policy.init(None)
    density_of = jax.vmap(lambda action: policy.log_propensity(carry, OBSERVATION, action))
    density = np.exp(np.asarray(compile.jit(density_of)(grid[:, None]), float))
    steps = (density[1:] + density[:-1]) / 2 * np.diff(grid)
    assert steps.sum() == pytest.approx(1, abs=2e-3)
    actions, log_propensity = drawn(policy, 20_000)
    np.testing.assert_allclose(log_propensity, np.log(np.interp(actions[:, 0], grid, density)), atol=0.02)
    cumulative = np.append(0, steps.cumsum()) / steps.sum()
    assert stats.kstest(actions[:, 0], lambda action: np.interp(action, grid, cumulative)).pvalue > 1e-6


@pytest.mark.parametrize("bound", [0.1, 10.0])
def test_an_action_on_a_bound_has_a_finite_density(bound):
    policy = policy_of(ACTIONS["log"])
    assert np.isfinite(policy.log_propensity(policy.init(None), OBSERVATION, jnp.array([bound])))


def test_it_is_a_stochastic_policy():
    assert is_stochastic(policy_of(ACTIONS["log"]))
