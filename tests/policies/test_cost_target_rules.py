"""Rules that also limit the cost per action, each against an episode worked out by hand.

The market has four steps, a budget of 100 and a target of 10 per action; what happens is measured in units of 25.
"""

import numpy as np
import pytest

from rtb_envs.policies.broi import BROI
from rtb_envs.policies.min_pacing import MinPacing
from rtb_envs.policies.multivariable_pid import MultivariablePID
from tests.policies.markets import actions, market

KEYS = ("timestep", "remaining_budget", "reward")
TARGET = np.float32(10)


def multipliers(rule, observations, target=TARGET, **settings):
    env = market(KEYS, target_cost_per_action=target)
    return actions(rule.for_env(env, **settings), env.default_params, observations)[:, 0]


M_PID = {
    "value_multiplier": 2,
    "initial_budget_dual": 0.5,
    "initial_cost_dual": 1,
    "proportional_gain": 1,
    "integral_gain": 0.5,
    "derivative_gain": 0.25,
    "budget_weight": 0.75,
    "cost_weight": 0.5,
}
# 20 and 40 are spent of the 25 and 80 / 3 that the rest of the budget allows: budget errors .2 and -.53333. 3 and then
# 4 actions allow 30 and 40, 20 and 60 are spent: cost errors 1/3 and -1/3.
M_PID_EPISODE = [(0, 100, 0), (1, 80, 3), (2, 40, 1)]
BUDGET_SIGNALS = np.array([0, 0.2 + 0.5 * 0.2 + 0.25 * 0.2, -1.6 / 3 - 0.5 / 3 - 0.25 * 2.2 / 3])
COST_SIGNALS = np.array([0, (1 + 0.5 + 0.25) / 3, -1 / 3 - 0.25 * 2 / 3])


def test_m_pid_moves_both_duals_by_mixed_signals():
    p = 0.5 * np.exp(-(0.75 * BUDGET_SIGNALS + 0.25 * COST_SIGNALS))
    q = np.exp(-(0.5 * BUDGET_SIGNALS + 0.5 * COST_SIGNALS))
    taken = multipliers(MultivariablePID, M_PID_EPISODE, **M_PID)
    np.testing.assert_allclose(taken, 2 * (1 + q) / (p + q), rtol=1e-5)


def test_m_pid_without_a_target_controls_the_budget_alone():
    taken = multipliers(MultivariablePID, M_PID_EPISODE, target=None, **M_PID)
    np.testing.assert_allclose(taken, 2 / (0.5 * np.exp(-0.75 * BUDGET_SIGNALS)), rtol=1e-5)


# 50, 0 and 0 are spent of 25 a step, for 1, 4 and 0 actions that allow 10, 40 and 0.
MIN_PACING_EPISODE = [(0, 100, 0), (1, 50, 1), (2, 50, 4), (3, 50, 0)]
MIN_PACING = {"value_multiplier": 2, "initial_budget_dual": 0.5, "step_size": 0.25, "cost_step_size": 0.5}


def test_min_pacing_takes_the_lower_of_two_bids():
    # The budget's duals are .5, .75, .5, .25, the target's 1, 1 + .5 * 1.6, 1.8 - .5 * 1.6, 1: the budget limits the
    # second bid, both the first and the third, the target the last.
    taken = multipliers(MinPacing, MIN_PACING_EPISODE, initial_cost_dual=1, **MIN_PACING)
    np.testing.assert_allclose(taken, [4, 2 / 0.75, 4, 4], rtol=1e-5)


def test_min_pacing_without_a_target_paces_the_budget_alone():
    taken = multipliers(MinPacing, MIN_PACING_EPISODE, target=None, **MIN_PACING)
    np.testing.assert_allclose(taken, [2 / 0.5, 2 / 0.75, 2 / 0.5, 2 / 0.25], rtol=1e-5)


# 50, 0 and 30 are spent of 25 a step, for 1, 4 and 1 actions that allow 10, 40 and 10.
BROI_EPISODE = [(0, 100, 0), (1, 50, 1), (2, 50, 4), (3, 20, 1)]
BROI_SETTINGS = {
    "value_multiplier": 3,
    "initial_budget_dual": 0.5,
    "step_size": 0.25,
    "cost_step_size": 0.05,
    "return_on_spend": 2,
}


def test_broi_pays_the_higher_of_two_prices():
    # The budget's gradients are 1, -1, .2: duals .5, .75, .75 + .25 (-2 - 1) = 0, .25 (.4 + 1) = .35. The return's are
    # 3.2, -3.2, 1.6: duals 1, 1.16 cut to 1, 1 + .05 (-6.4 - 3.2) = .52, .52 + .05 (3.2 + 3.2) = .84.
    taken = multipliers(BROI, BROI_EPISODE, **BROI_SETTINGS)
    np.testing.assert_allclose(taken, [3 / 2, 3 / 2, 3 / 1.52, 3 / 1.84], rtol=1e-5)


def test_broi_without_a_target_paces_the_budget_alone():
    taken = multipliers(BROI, BROI_EPISODE, target=None, **BROI_SETTINGS)
    np.testing.assert_allclose(taken, [3 / 1.5, 3 / 1.75, 3, 3 / 1.35], rtol=1e-5)


@pytest.mark.parametrize("rule", [BROI, MinPacing, MultivariablePID])
def test_a_target_that_is_given_stands_for_the_market_s(rule):
    given = multipliers(rule, BROI_EPISODE, target=None, target_cost_per_action=10.0, initial_budget_dual=0.3)
    np.testing.assert_array_equal(given, multipliers(rule, BROI_EPISODE, initial_budget_dual=0.3))
    assert (given != multipliers(rule, BROI_EPISODE, target=np.float32(1000), initial_budget_dual=0.3)).any()
