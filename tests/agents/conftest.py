"""Learners of the recall task, trained once for all tests."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from rtb_envs.compile import jit
from tests.agents.recall import Recall

SMALL = PPOSettings(
    num_envs=64,
    num_steps=4,
    lanes_per_market=1,
    num_epochs=4,
    num_minibatches=2,
    hidden_sizes=(16,),
    learning_rate=0.01,
)


class Trained:
    """A learner, its compiled ``init`` and ``updates``, and the state that 150 updates reach from seed 0."""

    def __init__(self, env):
        self.learner = PPO(env, SMALL)
        self.params = env.default_params
        self.init = jit(self.learner.init)
        self.updates = jit(self._updates)
        self.start = self.init(0, self.params)
        self.state, self.metrics = self.updates(self.start, self.params, 150)

    def _updates(self, state, params, count):
        """The state after ``count`` updates and the metrics of the last; one program for every count."""
        metrics = jax.eval_shape(self.learner.update, state, params)[1]
        empty = jax.tree.map(lambda metric: jnp.zeros(metric.shape, metric.dtype), metrics)
        return lax.fori_loop(0, count, lambda _, carry: self.learner.update(carry[0], params), (state, empty))

    def act(self, observations):
        """The trained policy's actions for a batch of first observations."""
        policy = self.learner.policy(self.state)
        memory = policy.init(self.params)
        return jax.vmap(lambda observation: policy.act(None, memory, observation)[0])(observations)


@pytest.fixture(scope="session")
def discrete():
    return Trained(Recall(discrete=True))


@pytest.fixture(scope="session")
def continuous():
    return Trained(Recall(discrete=False))
