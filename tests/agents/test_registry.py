"""Rules and learners by name."""

from pathlib import Path

import jax
import numpy as np
import pytest

import rtb_envs
from agents import registry
from agents.dqn import DQN
from agents.ppo import PPO
from rtb_envs.random import Stream
from tests.agents.recall import Recall


@pytest.fixture(scope="module", params=["AdAuction-v0", "AdAuctionDiscrete-v0"])
def env(request):
    return rtb_envs.make(request.param)


@pytest.mark.parametrize("name", registry.rules())
def test_every_rule_acts_within_the_action_space(env, name):
    params = env.default_params
    space = env.action_space(params)
    options = {"action": space.sample()} if name == "constant" else {}
    rule = registry.make_rule(name, env, **options)
    observation, _ = env.reset_env(jax.random.key(0), params)
    action, _ = rule.act(Stream.from_key(jax.random.key(1)), rule.init(params), observation)
    assert action.shape == space.shape
    assert space.contains(np.asarray(action, space.dtype))


def test_the_names_are_listed():
    assert {"adaptive_pacing", "constant", "linear", "pid", "random"} <= set(registry.rules())
    assert registry.rules() == sorted(registry.rules())
    assert registry.learners() == ["dqn", "ppo"]


def test_every_rule_is_on_the_page_of_policies():
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    assert not [name for name in registry.rules() if f"`{name}`" not in page]


def test_a_learner_is_made_with_the_hyperparameters_that_differ():
    env = Recall(discrete=True)
    learner = registry.make_learner("ppo", env, num_envs=8, lanes_per_market=4, num_minibatches=2, hidden_sizes=[4, 4])
    assert isinstance(learner, PPO)
    assert learner.settings.hidden_sizes == (4, 4)
    assert learner.steps_per_update == 8 * learner.settings.num_steps
    learner = registry.make_learner("dqn", env, num_envs=64, n_step=2)
    assert isinstance(learner, DQN)
    assert learner.settings.n_step == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda env: registry.make_rule("martingale", env), "name must be one of 'adaptive_pacing', 'alm'"),
        (lambda env: registry.make_learner("sarsa", env), "name must be one of 'dqn', 'ppo', got 'sarsa'"),
        (
            lambda env: registry.make_learner("ppo", env, momentum=1),
            "hyperparameters of ppo must be among .*'momentum'",
        ),
        (lambda env: registry.make_learner("ppo", env, gamma=2), "gamma must be a finite number in"),
        (lambda env: registry.make_rule("constant", env, action=7), "action must be in Discrete"),
    ],
)
def test_unknown_names_and_wrong_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(Recall(discrete=True))
