"""Learners of the recall task, trained once for all tests."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from agents.dqn import DQN
from agents.dqn_settings import DQNSettings
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

SMALL_DQN = DQNSettings(
    num_envs=64,
    num_steps=4,
    replay_size=8 * 256,
    num_gradient_steps=8,
    batch_size=128,
    # The observation of the second step does not tell what the first was worth, so one step is not enough.
    n_step=2,
    target_period=16,
    exploration_updates=50,
    hidden_sizes=(16,),
    learning_rate=0.01,
)


class Trained:
    """A learner, its compiled ``init`` and ``updates``, and the state that 150 updates reach from seed 0."""

    def __init__(self, learner):
        self.learner = learner
        self.params = learner.env.default_params
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
    return Trained(PPO(Recall(discrete=True), SMALL))


@pytest.fixture(scope="session")
def continuous():
    return Trained(PPO(Recall(discrete=False), SMALL))


@pytest.fixture(scope="session")
def valued():
    """The discrete task learned by action values."""
    return Trained(DQN(Recall(discrete=True), SMALL_DQN))
