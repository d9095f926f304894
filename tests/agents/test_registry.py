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

CURVE_RULES = [
    "bid_shading", "constant_bid", "dual_ogd", "mcpc", "ortb1", "ortb2", "random_bid", "rlb", "throttling", "truthful",
]  # fmt: skip
PLACEMENT_RULES = ["fixed", "threshold", "utility"]
MULTIPLIER_RULES = [name for name in registry.rules() if name not in {*CURVE_RULES, *PLACEMENT_RULES, "constant"}]


@pytest.fixture(scope="module", params=["AdAuction-v0", "AdAuctionDiscrete-v0"])
def env(request):
    return rtb_envs.make(request.param)


@pytest.mark.parametrize("name", ["constant", *MULTIPLIER_RULES])
def test_every_rule_of_multipliers_acts_within_the_action_space(env, name):
    params = env.default_params
    space = env.action_space(params)
    options = {"action": space.sample()} if name == "constant" else {}
    rule = registry.make_rule(name, env, **options)
    observation, _ = env.reset_env(jax.random.key(0), params)
    action, _ = rule.act(Stream.from_key(jax.random.key(1)), rule.init(params), observation)
    assert action.shape == space.shape
    assert space.contains(np.asarray(action, space.dtype))


@pytest.fixture(scope="module")
def curve_env():
    small = {"horizon": 4, "search_volume_mean": 50.0, "search_volume_std": 5.0}
    return rtb_envs.make("AdAuctionBidCurve-v0", objective="click", cost_indicator="impression", **small)


@pytest.mark.parametrize("name", [*CURVE_RULES, *MULTIPLIER_RULES])
def test_every_rule_plays_the_auction_of_bid_curves_within_its_action_space(curve_env, name):
    params = curve_env.default_params
    rule = registry.make_rule(name, curve_env)
    space = curve_env.action_space(params)
    carry = rule.init(params)
    for t, remaining in enumerate((3000, 2000, 1, 1)):
        observation = np.float32([t, remaining, 0.1, 50, 0.5, 3, 1])
        action, carry = rule.act(Stream.from_key(jax.random.key(t)), carry, observation)
        assert space.contains(np.asarray(action))
        assert action[1:].max() > 0


@pytest.mark.parametrize("name", CURVE_RULES)
def test_a_rule_for_bid_curves_is_refused_where_actions_are_none(env, name):
    with pytest.raises(ValueError, match='action_kind must be "bid_curve"'):
        registry.make_rule(name, env)


@pytest.mark.parametrize("name", PLACEMENT_RULES)
def test_every_rule_of_placement_opens_slots_of_the_page(name):
    market = rtb_envs.make("AdPlacement-v0")
    params = market.default_params
    observation, _ = market.reset_env(jax.random.key(0), params)
    rule = registry.make_rule(name, market)
    action, _ = rule.act(Stream.from_key(jax.random.key(1)), rule.init(params), observation)
    assert market.action_space(params).contains(np.asarray(action, np.int64))


def test_the_names_are_listed():
    assert {*CURVE_RULES, "adaptive_pacing", "constant", "linear", "pid", "random"} <= set(registry.rules())
    assert registry.rules() == sorted(registry.rules())
    assert registry.learners() == ["a2c", "dqn", "ppo"]


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
        (lambda env: registry.make_learner("sarsa", env), "name must be one of 'a2c', 'dqn', 'ppo', got 'sarsa'"),
        (
            lambda env: registry.make_learner("ppo", env, momentum=1),
            "hyperparameters of ppo must be among .*'momentum'",
        ),
        (lambda env: registry.make_learner("ppo", env, gamma=2), "gamma must be a finite number in"),
        (lambda env: registry.make_rule("constant", env, action=7), "action must be an integer in"),
    ],
)
def test_unknown_names_and_wrong_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(Recall(discrete=True))


def test_a_rule_needs_an_environment_and_a_constant_action_is_not_rounded_to_one_of_it():
    with pytest.raises(TypeError, match=r"env must be an environment of one agent, .* got None"):
        registry.make_rule("pid", None)
    with pytest.raises(TypeError, match=r"action must be an array of integers of shape .*, got 0.7"):
        registry.make_rule("constant", Recall(discrete=True), action=0.7)
