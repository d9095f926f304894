"""Rules without memory, and rules that act by discrete actions."""

import jax
import numpy as np
import pytest
from gymnasium import spaces

import rtb_envs
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.pid import PID
from rtb_envs.policies.policy import Discretized
from rtb_envs.policies.uniform_random import UniformRandom
from rtb_envs.random import Stream
from rtb_envs.rollouts import rollout
from tests.policies.markets import actions, market
from tests.toy import Toy

MEANINGS = np.array([0.1, 1.0, 2.0, 8.0], np.float32)


class Space:
    """An environment as far as a random rule can see it."""

    default_params = None

    def __init__(self, space, action_scale="linear"):
        self.space, self.action_scale = space, action_scale

    def action_space(self, params):
        return self.space


def draws(env, count):
    """``count`` actions of a random rule, one a step."""
    rule = UniformRandom.for_env(env)
    stream = Stream.from_key(jax.random.key(0))
    return np.asarray(jax.vmap(lambda t: rule.act(stream.step(t), (), np.zeros(1))[0])(np.arange(count)))


def test_linear_bids_at_one_multiplier():
    env = market()
    taken = actions(Linear.for_env(env, multiplier=0.7), env.default_params, [(0, 100), (3, 1)])
    np.testing.assert_array_equal(taken, np.float32([[0.7], [0.7]]))


@pytest.mark.parametrize("multiplier", [0, -1, float("inf"), float("nan")])
def test_linear_refuses_a_multiplier_that_bids_nothing_or_without_end(multiplier):
    with pytest.raises(ValueError, match=r"multiplier must be a finite number in \(0, 1e\+06\]"):
        Linear.for_env(market(), multiplier=multiplier)


def test_constant_takes_its_action_whatever_it_sees():
    taken = actions(Constant(np.int32(6)), None, [(0, 0), (1, 5)])
    np.testing.assert_array_equal(taken, [6, 6])


# The geometric means of neighbours, where the nearest changes: .316, 1.414, 4.
@pytest.mark.parametrize(
    ("multiplier", "nearest"),
    [(0.001, 0), (0.31, 0), (0.32, 1), (1.40, 1), (1.43, 2), (3.9, 2), (4.1, 3), (100, 3)],
)
def test_discrete_actions_are_the_nearest_in_the_logarithm(multiplier, nearest):
    env = market(action_meanings=MEANINGS)
    rule = Linear.for_env(env, multiplier=multiplier)
    assert isinstance(rule, Discretized)
    taken = actions(rule, env.default_params, [(0, 100)])
    assert taken.dtype == np.int32
    assert taken.tolist() == [nearest]


def test_a_rule_with_memory_keeps_it_under_discrete_actions():
    observations = [(0, 100), (1, 98), (2, 20), (3, 15)]
    continuous, discrete = market(), market(action_meanings=MEANINGS)
    settings = {"proportional_gain": 2.0, "integral_gain": 1.0}
    multipliers = actions(PID.for_env(continuous, **settings), continuous.default_params, observations)
    taken = actions(PID.for_env(discrete, **settings), discrete.default_params, observations)
    distance = np.abs(np.log(multipliers) - np.log(MEANINGS))
    np.testing.assert_array_equal(taken, distance.argmin(axis=1))
    assert len(set(taken.tolist())) > 1


def test_rules_play_the_discrete_auction():
    env = rtb_envs.make("AdAuctionDiscrete-v0", horizon=3, search_volume_mean=20, search_volume_std=2)
    result = rollout(env, PID.for_env(env), num_envs=8, num_steps=3, seed=0)
    assert (result.totals["episode_impression"] > 0).all()


# Kolmogorov-Smirnov: sqrt(n) * D exceeds 2.03 with probability 5e-4.
@pytest.mark.parametrize(("scale", "low", "high"), [("linear", -1.0, 3.0), ("log", 0.1, 10.0)])
def test_a_box_is_filled_evenly_on_the_environment_s_scale(scale, low, high):
    space = spaces.Box(low, high, (2, 2), np.float32)
    drawn = draws(Space(space, scale), 2000)
    assert drawn.shape == (2000, 2, 2)
    assert all(space.contains(action) for action in drawn)
    along = np.log if scale == "log" else np.asarray
    share = np.sort((along(drawn) - along(low)) / (along(high) - along(low)), axis=0)
    steps = np.arange(1, 2001)[:, None, None] / 2000
    distance = np.maximum(np.abs(share - steps), np.abs(share - steps + 1 / 2000)).max(axis=0)
    assert (np.sqrt(2000) * distance < 2.03).all()
    assert np.abs(np.corrcoef(drawn.reshape(2000, 4).T) - np.eye(4)).max() < 4 / np.sqrt(2000)


# Chi-square with 6 degrees of freedom exceeds 24.1 with probability 5e-4.
def test_every_discrete_action_is_equally_frequent():
    drawn = draws(Space(spaces.Discrete(7, start=-2)), 7000)
    values, counts = np.unique(drawn, return_counts=True)
    assert drawn.dtype == np.int32
    np.testing.assert_array_equal(values, np.arange(-2, 5))
    assert ((counts - 1000) ** 2 / 1000).sum() < 24.1


def test_random_actions_fit_the_environment():
    for discrete in (False, True):
        env = Toy(discrete)
        assert env.action_space(env.default_params).contains(draws(env, 1)[0])


@pytest.mark.parametrize(
    ("space", "error", "message"),
    [
        (spaces.MultiBinary(3), TypeError, "action space must be a Discrete or a Box, got MultiBinary"),
        (spaces.Box(-np.inf, 1, (1,)), ValueError, "action space must be a Box with finite bounds"),
    ],
)
def test_spaces_without_an_even_distribution_are_refused(space, error, message):
    with pytest.raises(error, match=message):
        UniformRandom.for_env(Space(space))


def test_a_random_rule_needs_positive_bounds_to_be_even_in_the_logarithm():
    box = spaces.Box(0, 10, (1,), np.float32)
    with pytest.raises(ValueError, match="action space must be a Box with positive bounds where action_scale is 'log'"):
        UniformRandom.for_env(Space(box, "log"))
    assert np.isfinite(draws(Space(box), 8)).all()
