"""Networks begin orthogonal, and policies nearly alike everywhere."""

import jax
import jax.numpy as jnp
import numpy as np

from agents.distributions import BoxActions, DiscreteActions
from agents.networks import MLP, Actor, Critic


def test_weights_are_orthogonal_with_the_gain_of_their_layer_and_biases_are_0():
    weights = MLP((8, 6), 4, "tanh", output_gain=0.5).init(jax.random.key(0), jnp.zeros(5))["params"]
    shapes = {"Dense_0": (5, 8), "Dense_1": (8, 6), "Dense_2": (6, 4)}
    for name, gain in (("Dense_0", 2**0.5), ("Dense_1", 2**0.5), ("Dense_2", 0.5)):
        kernel = np.asarray(weights[name]["kernel"], np.float64)
        assert kernel.shape == shapes[name]
        product = kernel @ kernel.T if kernel.shape[0] < kernel.shape[1] else kernel.T @ kernel
        np.testing.assert_allclose(product, gain**2 * np.eye(min(kernel.shape)), atol=1e-5)
        assert not np.asarray(weights[name]["bias"]).any()


def test_the_first_policy_hardly_looks_at_what_it_sees():
    features = jax.random.normal(jax.random.key(1), (50, 5))
    discrete = Actor(DiscreteActions(4), (16,), "tanh")
    logits = discrete.apply(discrete.init(jax.random.key(0), features), features).logits
    np.testing.assert_allclose(jax.nn.softmax(logits), 1 / 4, atol=0.02)
    box = Actor(BoxActions((0.0,) * 3, (1.0,) * 3, (3,)), (16,), "tanh", initial_log_std=-1.0)
    gaussian = box.apply(box.init(jax.random.key(0), features), features)
    np.testing.assert_allclose(gaussian.mean, 0, atol=0.1)
    assert gaussian.log_std.tolist() == [-1.0] * 3


def test_a_network_is_dense_layers_and_activations_in_turn():
    features = np.array([[0.3, -0.7]])
    critic = Critic((3,), "tanh")
    weights = critic.init(jax.random.key(2), jnp.asarray(features))
    hidden, last = (weights["params"]["MLP_0"][name] for name in ("Dense_0", "Dense_1"))
    expected = np.tanh(features @ hidden["kernel"] + hidden["bias"]) @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(critic.apply(weights, jnp.asarray(features)), expected[:, 0], rtol=1e-5)
