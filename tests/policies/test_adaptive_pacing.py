"""Adaptive pacing by hand and in the stationary market whose answer is known."""

import numpy as np
import pytest

from rtb_envs.policies.adaptive_pacing import AdaptivePacing, next_dual, paced_bid
from tests.policies.markets import actions, market
from tests.policies.second_price import second_price_run


def test_the_dual_moves_against_what_was_left_unspent_and_stays_within_its_bounds():
    # 0.5 - 0.1 (3 - 1) = 0.3; 0.5 - 0.1 (3 - 5) = 0.7; 0.1 - 0.1 (3 - 1) < 0; 1.9 - 0.1 (3 - 9) > 2
    duals = next_dual(np.array([0.5, 0.5, 0.1, 1.9]), 3.0, np.array([1.0, 5.0, 1.0, 9.0]), 0.1, 2.0)
    np.testing.assert_allclose(duals, [0.3, 0.7, 0.0, 2.0], rtol=1e-6)


def test_bids_are_the_value_over_one_plus_the_dual():
    np.testing.assert_allclose(paced_bid(np.array([3.0, 3.0]), np.array([0.0, 0.5])), [3.0, 2.0], rtol=1e-6)


def test_the_multiplier_follows_the_rule_by_hand():
    # Spending is measured in units of 100 / 4 = 25: of the plan's 1 a step, 2, 0 and 1.2 are spent.
    env = market()
    rule = AdaptivePacing.for_env(env, value_multiplier=3.0, initial_dual=0.5, step_size=0.25)
    taken = actions(rule, env.default_params, [(0, 100), (1, 50), (2, 50), (3, 20)])
    duals = np.array([0.5, 0.5 + 0.25 * 1, 0.75 - 0.25 * 1, 0.5 + 0.25 * 0.2])
    assert taken.shape == (4, 1)
    np.testing.assert_allclose(taken[:, 0], 3 / (1 + duals), rtol=1e-6)


def test_the_traffic_plan_is_what_spending_is_compared_with():
    env = market(search_volume_mean=np.array([10, 30, 20, 20], np.float32))
    rule = AdaptivePacing.for_env(env, initial_dual=1.0, step_size=0.25, plan="traffic")
    taken = actions(rule, env.default_params, [(0, 100), (1, 87.5), (2, 50), (3, 0)])
    np.testing.assert_allclose(taken[:, 0], [1 / 2, 1 / 2, 1 / 2, 1 / (2 + 0.25 * 1)], rtol=1e-6)


def test_the_step_size_is_by_default_one_over_the_root_of_the_horizon():
    env = market()
    default, half = (AdaptivePacing.for_env(env, step_size=step_size) for step_size in (None, 0.5))
    observations = [(0, 100), (1, 20), (2, 10), (3, 5)]
    np.testing.assert_array_equal(
        actions(default, env.default_params, observations), actions(half, env.default_params, observations)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value_multiplier": -1}, r"value_multiplier must be a finite number in \(0, 1e\+06\], got -1"),
        ({"initial_dual": -0.1}, r"initial_dual must be a finite number in \[0, 1000\], got -0.1"),
        ({"step_size": 0}, r"step_size must be a finite number in \(0, 1000\], got 0"),
        ({"plan": None}, "plan must be one of 'even', 'traffic', got None"),
    ],
)
def test_wrong_settings_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaptivePacing.for_env(market(), **arguments)


# Known ratios, each the mean of 8, 8 and 3 runs. One run's ratio scatters by .029, .0064, .0010 at a budget of .05 a
# round and by .018, .0035, .0007 at .1. The tolerance is 4 times their standard errors and ours together: one
# test in 16,000 would fail by chance.
@pytest.mark.parametrize(
    ("budget_per_round", "rounds", "num_seeds", "known", "scatter", "known_runs"),
    [
        (0.05, 1_000, 64, 0.675, 0.029, 8),
        (0.05, 10_000, 32, 0.874, 0.0064, 8),
        (0.05, 100_000, 8, 0.960, 0.0010, 3),
        (0.1, 1_000, 64, 0.929, 0.018, 8),
        (0.1, 10_000, 32, 0.977, 0.0035, 8),
        (0.1, 100_000, 8, 0.992, 0.0007, 3),
    ],
)
def test_the_ratio_to_hindsight_is_the_known_one(budget_per_round, rounds, num_seeds, known, scatter, known_runs):
    profit, optimum = second_price_run(next_dual, 0.0, budget_per_round, rounds, num_seeds)
    rounding = 0.0005
    tolerance = 4 * scatter * (1 / num_seeds + 1 / known_runs) ** 0.5 + rounding
    assert (profit / optimum).mean() == pytest.approx(known, abs=tolerance)
    assert (profit <= optimum).all()


# Regret over the root of the number of rounds: 1.40, 1.68, 1.69 at .05 a round and .37, .36, .41 at .1 are known. If
# regret grew like the number of rounds it would rise a hundredfold from the first to the last.
@pytest.mark.parametrize(("budget_per_round", "known"), [(0.05, 1.69), (0.1, 0.41)])
def test_regret_grows_like_the_root_of_the_number_of_rounds(budget_per_round, known):
    for rounds, num_seeds in ((1_000, 64), (100_000, 8)):
        profit, optimum = second_price_run(next_dual, 0.0, budget_per_round, rounds, num_seeds)
        assert 0.6 * known < (optimum - profit).mean() / rounds**0.5 < 1.4 * known


def test_the_dual_settles_at_the_fluid_point():
    # With k = 1 / (1 + dual), spending E[d; d < k v] = k^2 / 6 equals the budget at k = sqrt(6 * .05): dual .826, and
    # profit a round k / 3 - .05 = .1326, less the regret's known share of 4 % after 100,000 rounds.
    profit, _ = second_price_run(next_dual, 0.0, 0.05, 100_000, 8)
    assert 0.95 * 0.1326 < profit.mean() / 100_000 < 0.1326
