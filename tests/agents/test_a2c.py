"""A2C is PPO with one whole pass: its gradient must be that of the policy gradient, and nothing else is allowed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from agents import registry
from agents.a2c_settings import A2CSettings
from agents.ppo import PPO, Samples
from tests.agents.recall import Recall

FIXED = {"num_envs": 4, "num_steps": 4, "hidden_sizes": (4,), "memory_decays": (), "lanes_per_market": 1}


def test_the_gradient_is_the_policy_gradient():
    env = Recall(discrete=True)
    learner = PPO(env, A2CSettings(**FIXED, value_coefficient=0.0, entropy_coefficient=0.0))
    state = learner.init(0, env.default_params)
    policy = learner.policy(state)
    features = state.observations.features(jax.random.normal(jax.random.key(1), (16, *policy.spec.view_shape)))
    told = policy.spec.distribution(state.weights["actor"], features)
    latent, advantage = told.mode(), jax.random.normal(jax.random.key(2), (16,))
    samples = Samples(features, latent, told.log_density(latent), advantage, jnp.zeros(16))

    def expected(actor):
        # Williams 1992: minus the mean of log density times advantage, here normalised as the learner's is.
        scaled = (advantage - advantage.mean()) / advantage.std()
        return -jnp.mean(policy.spec.distribution(actor, features).log_density(latent) * scaled)

    found = jax.grad(lambda weights: learner._loss(weights, samples)[0])(state.weights)["actor"]
    for ours, theirs in zip(
        jax.tree.leaves(found), jax.tree.leaves(jax.grad(expected)(state.weights["actor"])), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found)) > 1e-3


@pytest.mark.parametrize("name", ["num_epochs", "num_minibatches"])
def test_another_pass_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be 1 for A2C, got 2"):
        registry.make_learner("a2c", Recall(discrete=True), **FIXED, **{name: 2})


def test_a3c_is_taken_for_its_synchronous_form():
    learner = registry.make_learner("a3c", Recall(discrete=True), **FIXED)
    assert isinstance(learner.settings, A2CSettings)
