"""The PID controller against episodes worked out by hand."""

import numpy as np
import pytest

import rtb_envs
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.pid import PID
from rtb_envs.rollouts import rollout
from tests.policies.markets import actions, market

GAINS = {"proportional_gain": 0.5, "integral_gain": 0.25, "derivative_gain": 1.0}
# The even plan leaves 100, 75, 50, 25 at the start of each step. The errors are 0, 90/75 - 1, 40/50 - 1, 40/25 - 1.
TIME_AND_BUDGET = [(0, 100), (1, 90), (2, 40), (3, 40)]
EXPONENTS = [
    0.0,
    0.5 * 0.2 + 0.25 * 0.2 + 1.0 * 0.2,
    0.5 * -0.2 + 0.25 * (0.2 - 0.2) + 1.0 * (-0.2 - 0.2),
    0.5 * 0.6 + 0.25 * (0.2 - 0.2 + 0.6) + 1.0 * (0.6 + 0.2),
]


def test_the_multiplier_follows_the_formula_by_hand():
    env = market()
    rule = PID.for_env(env, base_multiplier=2.0, **GAINS)
    taken = actions(rule, env.default_params, TIME_AND_BUDGET)
    assert taken.shape == (4, 1)
    assert taken.dtype == np.float32
    np.testing.assert_allclose(taken[:, 0], 2 * np.exp(EXPONENTS), rtol=1e-5)


def test_the_multiplier_stays_within_the_market_s_range():
    env = market(multiplier_low=np.float32(1.5), multiplier_high=np.float32(6))
    taken = actions(PID.for_env(env, base_multiplier=2.0, **GAINS), env.default_params, TIME_AND_BUDGET)
    np.testing.assert_allclose(taken[:, 0], [2, 2 * np.exp(0.35), 1.5, 6], rtol=1e-5)


def test_entries_of_the_observation_are_found_by_name():
    env = market(observation_keys=("reward", "remaining_budget", "win_rate", "timestep"))
    observations = [(99, budget, 99, t) for t, budget in TIME_AND_BUDGET]
    taken = actions(PID.for_env(env, base_multiplier=2.0, **GAINS), env.default_params, observations)
    np.testing.assert_allclose(taken[:, 0], 2 * np.exp(EXPONENTS), rtol=1e-5)


def test_the_traffic_plan_spends_in_proportion_to_the_mean_volume():
    # Volumes 1 : 3 : 2 : 2 leave 100, 87.5, 50, 25 of the budget.
    env = market(search_volume_mean=np.array([10, 30, 20, 20], np.float32))
    rule = PID.for_env(env, integral_gain=0, derivative_gain=0, proportional_gain=1, plan="traffic")
    taken = actions(rule, env.default_params, [(0, 100), (1, 87.5), (2, 60), (3, 20)])
    np.testing.assert_allclose(np.log(taken[:, 0]), [0, 0, 60 / 50 - 1, 20 / 25 - 1], atol=1e-6)


def test_steps_after_the_horizon_have_no_part_in_the_plan():
    env = market(horizon=np.int32(2))
    rule = PID.for_env(env, integral_gain=0, derivative_gain=0, proportional_gain=1)
    taken = actions(rule, env.default_params, [(0, 100), (1, 60)])
    np.testing.assert_allclose(np.log(taken[:, 0]), [0, 60 / 50 - 1], atol=1e-6)


def test_a_plan_that_leaves_nothing_gives_finite_multipliers():
    env = market(search_volume_mean=np.array([1, 0, 0, 0], np.float32))
    taken = actions(PID.for_env(env, plan="traffic"), env.default_params, TIME_AND_BUDGET)
    assert np.isfinite(taken).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"base_multiplier": 0}, ValueError, r"base_multiplier must be a finite number in \(0, 1e\+06\], got 0"),
        ({"proportional_gain": float("nan")}, ValueError, "proportional_gain must be a finite number in .*, got nan"),
        ({"integral_gain": 101}, ValueError, r"integral_gain must be a finite number in \[-100, 100\], got 101"),
        ({"derivative_gain": "1"}, TypeError, "derivative_gain must be a finite number in .*, got '1' of type str"),
        ({"plan": "uniform"}, ValueError, "plan must be one of 'even', 'traffic', got 'uniform'"),
    ],
)
def test_wrong_settings_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        PID.for_env(market(), **arguments)


def test_an_environment_that_hides_the_budget_is_refused():
    with pytest.raises(ValueError, match="observation_keys must be such that they hold 'remaining_budget'"):
        PID.for_env(market(observation_keys=("timestep",)))


def test_in_the_auction_a_base_that_spends_too_little_is_corrected():
    env = rtb_envs.make("AdAuction-v0", horizon=12, search_volume_mean=40, search_volume_std=4, initial_budget=700)
    spent = {}
    for rule, name in ((Linear, "multiplier"), (PID, "base_multiplier")):
        result = rollout(env, rule.for_env(env, **{name: 0.5}), num_envs=64, num_steps=12, seed=0)
        spent[rule] = result.mean("episode_cost") / 700
    assert spent[PID] > 2 * spent[Linear] > 0
