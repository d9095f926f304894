"""Rules that pace a budget, each against an episode worked out by hand.

The market has four steps and a budget of 100, so that an even plan leaves 100, 75, 50, 25 at the start of each step.
"""

import numpy as np

from rtb_envs.policies.adaptive_linear import AdaptiveLinear
from rtb_envs.policies.dual_mirror_descent import DualMirrorDescent
from rtb_envs.policies.mystique import Mystique
from rtb_envs.policies.online_lp import OnlineLP
from rtb_envs.policies.traffic_aware_pid import TrafficAwarePID
from tests.policies.markets import actions, market

TIME_AND_BUDGET = [(0, 100), (1, 90), (2, 40), (3, 40)]


def multipliers(rule, observations=TIME_AND_BUDGET, env=None, **settings):
    env = env or market()
    return actions(rule.for_env(env, **settings), env.default_params, observations)[:, 0]


def test_ta_pid_controls_what_is_spent_for_the_traffic_seen():
    # Of the budget .1, .6, .6 are spent when .25, .5, .75 of the traffic are seen: errors .6, -.2, .2; their integral
    # over traffic .15, .1, .15; their slopes -.8 / .25 and .4 / .25. The third step begins at noon.
    taken = multipliers(TrafficAwarePID, base_multiplier=2, proportional_gain=1, integral_gain=0.5, derivative_gain=0.1)
    third = -0.2 + 0.5 * 0.1 - 0.1 * 3.2
    fourth = 0.2 + 0.5 * 0.15 + 0.1 * 1.6
    np.testing.assert_allclose(taken, [2, 2, 2 * 1.2**third, 2 * 1.2 ** (third + fourth)], rtol=1e-5)


def test_ta_pid_moves_a_bid_by_seven_bins_down_or_four_up_at_most():
    taken = multipliers(TrafficAwarePID, base_multiplier=2, proportional_gain=100, integral_gain=0, derivative_gain=0)
    np.testing.assert_allclose(taken, [2, 2, 2 * 1.2**-7, 2 * 1.2**-3], rtol=1e-5)


def test_ta_pid_moves_less_from_one_o_clock_to_seven():
    # Steps of two hours: a tenth is spent when t / 12 of the traffic is seen, so the error is 1 - 1.2 / t. The first
    # and the fourth step begin at midnight and at six.
    env = market(horizon=np.int32(12), search_volume_mean=np.full(12, 200, np.float32))
    observations = [(0, 100), *((t, 90) for t in (1, 2, 3, 4))]
    gains = {"proportional_gain": 1, "integral_gain": 0, "derivative_gain": 0, "night_factor": 0.25}
    taken = multipliers(TrafficAwarePID, observations, env, **gains)
    bins = np.cumsum([0, 0, 0.25 * 0.4, 0.25 * 0.6, 0.7])
    np.testing.assert_allclose(taken, 1.2**bins, rtol=1e-5)


def test_alm_spends_what_would_be_left_at_the_end():
    # The balance falls by .4, 2 and 0 per planned money: 90 - 30 = 60, 40 - 100 = -60 and 40 of 100 would be left.
    taken = multipliers(AdaptiveLinear, base_multiplier=2, gain=2.5)
    np.testing.assert_allclose(taken, 2 * 1.2 ** np.array([0, 1.5, 1.5 - 1.5, 1.5 - 1.5 + 1]), rtol=1e-5)


def test_alm_moves_a_bid_by_five_bins_at_most():
    taken = multipliers(AdaptiveLinear, base_multiplier=2, gain=50)
    np.testing.assert_allclose(taken, 2 * 1.2 ** np.array([0, 5, 0, 5]), rtol=1e-5)


def test_alm_does_not_learn_from_a_step_of_little_traffic():
    env = market(search_volume_mean=np.array([300, 20, 240, 240], np.float32))
    taken = multipliers(AdaptiveLinear, [(0, 100), (1, 62.5), (2, 20)], env)
    np.testing.assert_allclose(taken, [1, 1, 1], rtol=1e-5)


def test_mystique_weighs_the_distance_to_the_curve_and_how_fast_it_closes():
    # In units of 25, errors are -.6, .4, .2 and gradient errors -.6, 1, -.2. The first two grow; the third closes in
    # one step by itself, so that it weighs .2; its gradient's change is the smallest, .05.
    observations = [(0, 100), (1, 90), (2, 40), (3, 20)]
    settings = {"largest_change": 0.2, "smallest_change": 0.05, "error_range": 1}
    taken = multipliers(Mystique, observations, base_multiplier=2, **settings)
    second = 2 + 2 * (0.5 * 0.12 + 0.5 * 0.12)
    third = second - 2 * (0.5 * 0.08 + 0.5 * 0.2)
    fourth = third - 2 * (0.2 * 0.04 - 0.8 * 0.05)
    np.testing.assert_allclose(taken, [2, second, third, fourth], rtol=1e-5)


def test_mystique_s_curve_is_the_traffic_s():
    # Volumes 1 : 3 : 2 : 2 plan to leave 87.5, 50, 25.
    env = market(search_volume_mean=np.array([10, 30, 20, 20], np.float32))
    taken = multipliers(Mystique, [(0, 100), (1, 87.5), (2, 50), (3, 25)], env)
    np.testing.assert_allclose(taken, [1, 1, 1, 1], rtol=1e-5)


def test_dual_mirror_descent_multiplies_the_dual():
    # In units of 25 the steps spend 2, 0 and 1.2 of the plan's 1.
    observations = [(0, 100), (1, 50), (2, 50), (3, 20)]
    taken = multipliers(DualMirrorDescent, observations, value_multiplier=3, initial_dual=0.5, step_size=0.25)
    duals = 0.5 * np.exp(0.25 * np.array([0, 1, 1 - 1, 1 - 1 + 0.2]))
    np.testing.assert_allclose(taken, 3 / (1 + duals), rtol=1e-5)


def test_online_lp_solves_the_fitted_spend_curve_for_the_budget_that_is_left():
    # Second step: .4 of the plan was spent and 1.2 of it is left, with the elasticity 2 as known: x = log(3) / 2.
    # Third: (x, y) = (0, log .4), (.549306, log 2) have spread .150868 and covariance .442037, so that the slope is
    # 2.442037 / 1.150868 = 2.121909 through the means (.274653, -.111572); log .8 is wanted: x = .222072.
    taken = multipliers(OnlineLP, TIME_AND_BUDGET[:3], base_multiplier=2, elasticity=2, prior_weight=1, forgetting=1.0)
    np.testing.assert_allclose(taken, [2, 2 * 3**0.5, 2 * np.exp(0.222072)], rtol=1e-5)


def test_online_lp_that_forgets_all_solves_the_curve_through_the_last_step():
    # .4, 2 and then .04 of the plan were spent; 1.2, .8 and 1.56 of it are left.
    observations = [*TIME_AND_BUDGET[:3], (3, 39)]
    settings = {"elasticity": 2, "prior_weight": 1, "forgetting": 0.0}
    taken = multipliers(OnlineLP, observations, **settings)
    factors = np.sqrt([1, 1.2 / 0.4, 0.8 / 2, 1.56 / 0.04])
    np.testing.assert_allclose(taken, np.cumprod(factors), rtol=1e-5)


def test_online_lp_finds_the_multiplier_of_a_curve_that_fits():
    # Spending is 25 * 3 * multiplier**1.5: a first step at .2 tells one point and a second one the slope. From then on
    # what is left, 90.2 and less, is spent evenly.
    env = market()
    rule = OnlineLP.for_env(env, base_multiplier=0.2, elasticity=1, prior_weight=1e-6, forgetting=1.0)
    carry, remaining = rule.init(env.default_params), 100.0
    for t in range(4):
        action, carry = rule.act(None, carry, np.array([t, remaining], np.float32))
        wanted = (remaining / (4 - t) / 75) ** (1 / 1.5)
        if t >= 2:
            np.testing.assert_allclose(action, [wanted], rtol=1e-3)
        remaining -= 75 * float(action[0]) ** 1.5
    np.testing.assert_allclose(remaining, 0, atol=0.1)
