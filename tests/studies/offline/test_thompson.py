"""Thompson Sampling: capped allocations, the stop rule, and regret on known arms."""

import numpy as np
import pytest

from rtb_envs.studies.offline.thompson import (
    Arms,
    best_allocation,
    cac_quantiles,
    fill_in_order,
    run,
    slate_rule,
    thompson_rule,
    wasted_spend,
)

NO_STOP = np.full(10, np.inf)
KNOWN = Arms(np.full(10, 0.05), np.linspace(0.002, 0.02, 10), NO_STOP)
DAILY = 500.0


def test_the_cap_goes_to_the_best_in_order_until_the_budget_is_spent():
    spend = fill_in_order(np.array([2, 0, 3, 1]), np.array([True, True, True, False]), 40.0, 100.0)
    assert spend.tolist() == [40.0, 20.0, 40.0, 0.0]
    both = fill_in_order(np.array([[0, 1, 2], [2, 1, 0]]), np.ones(3, bool), 40.0, 60.0)
    assert both.tolist() == [[40.0, 20.0, 0.0], [0.0, 20.0, 40.0]]


def test_the_best_allocation_gives_a_fifth_each_to_the_five_best_of_ten():
    assert best_allocation(KNOWN, 100.0).tolist() == [0.0] * 5 + [20.0] * 5


def test_with_fewer_than_five_creatives_the_cap_is_an_equal_part():
    arms = Arms(np.full(2, 0.1), np.array([0.1, 0.2]), NO_STOP[:2])
    assert best_allocation(arms, 100.0).tolist() == [50.0, 50.0]


def test_a_days_allocation_spends_the_budget_and_keeps_the_cap():
    days = run(KNOWN, DAILY, 5, 0, thompson_rule(KNOWN, DAILY))
    assert days.allocation.sum(axis=1) == pytest.approx(np.full(5, DAILY))
    assert days.allocation.max() <= 0.2 * DAILY * (1 + 1e-12)
    assert np.array_equal(days.a - 1, days.signups)
    assert np.array_equal(days.b - 1, days.impressions - days.signups)


def test_regret_on_known_arms_is_sub_linear_and_that_of_a_fixed_equal_split_is_not():
    num_days = 120
    thompson, fixed = np.zeros(num_days), np.zeros(num_days)
    for seed in range(5):
        thompson += run(KNOWN, DAILY, num_days, seed, thompson_rule(KNOWN, DAILY)).regret
        fixed += run(KNOWN, DAILY, num_days, seed, slate_rule(np.arange(10), DAILY)).regret
    assert (thompson > -1e-9).all()
    # Regret of the last quarter against the first: linear growth would make them equal.
    assert thompson[-30:].sum() < 0.25 * thompson[:30].sum()
    assert fixed[-30:].sum() == pytest.approx(fixed[:30].sum())


def test_outcomes_come_from_the_hidden_rates():
    # 30 days of 10,000 impressions each way: the counts are within 5 standard errors of the hidden rate.
    days = run(KNOWN, DAILY, 30, 1, slate_rule(np.arange(10), DAILY))
    expected = days.impressions * KNOWN.true_rate
    assert (np.abs(days.signups - expected) < 5 * np.sqrt(expected)).all()


def test_a_creative_whose_cac_exceeds_its_limit_is_stopped_for_good_and_the_others_are_not():
    # True CAC 10 $, 5 $ and 20 $ against a limit of 12 $.
    arms = Arms(np.full(3, 0.1), np.array([0.01, 0.02, 0.005]), np.full(3, 12.0))
    days = run(arms, 30_000.0, 4, 0, slate_rule(np.arange(3), 30_000.0))
    assert days.stopped_on.tolist() == [-1, -1, 0]
    assert days.allocation[1:, 2].tolist() == [0.0, 0.0, 0.0]
    assert wasted_spend(arms, days) == pytest.approx(10_000.0)


def test_of_creatives_that_are_all_too_dear_only_the_cheapest_goes_on():
    # True CAC 20 $, 5 $ and 10 $ against a limit of 1 $, known for certain after a day of 100,000 impressions each.
    arms = Arms(np.full(3, 0.1), np.array([0.005, 0.02, 0.01]), np.full(3, 1.0))
    days = run(arms, 30_000.0, 3, 0, slate_rule(np.arange(3), 30_000.0))
    assert days.stopped_on.tolist() == [0, -1, 0]
    assert days.allocation[1:].tolist() == [[0.0, 30_000.0, 0.0]] * 2


def test_stopped_creatives_leave_the_others_a_higher_cap_and_nobody_beats_the_best_under_it():
    # The stop falls on ten of twelve: the two that are left may have half each, not a fifth.
    rate = np.array([0.004] * 10 + [0.02, 0.03])
    arms = Arms(np.full(12, 0.1), rate, np.full(12, 10.0))
    days = run(arms, 30_000.0, 5, 0, thompson_rule(arms, 30_000.0))
    assert ((days.stopped_on >= 0) == (rate < 0.01)).all()
    assert days.allocation[-1].tolist() == [0.0] * 10 + [15_000.0, 15_000.0]
    assert days.regret[0] > 0
    assert days.regret[-1] == pytest.approx(0.0, abs=1e-6)


def test_the_last_creative_is_never_stopped():
    arms = Arms(np.full(1, 0.1), np.array([0.01]), np.full(1, 1.0))
    assert run(arms, 1000.0, 3, 0, thompson_rule(arms, 1000.0)).stopped_on.tolist() == [-1]


def test_a_creative_that_wins_no_impression_is_given_nothing():
    arms = Arms(np.array([0.1, np.nan, 0.1]), np.array([0.01, 0.5, 0.02]), np.full(3, np.inf))
    for rule in (thompson_rule(arms, 100.0), slate_rule(np.arange(3), 100.0)):
        assert run(arms, 100.0, 3, 0, rule).allocation[:, 1].tolist() == [0.0, 0.0, 0.0]
    assert best_allocation(arms, 100.0)[1] == 0.0


def test_the_posterior_of_the_cac_contains_its_median_between_its_ends():
    arms = Arms(np.full(2, 0.1), np.array([0.01, 0.02]), np.full(2, np.inf))
    a, b = np.array([101.0, 5.0]), np.array([9_901.0, 96.0])
    low, middle, high = cac_quantiles(arms, a, b)
    random = np.random.default_rng(0)
    drawn = np.quantile(0.1 / random.beta(a, b, size=(400_000, 2)), [0.025, 0.5, 0.975], axis=0)
    assert np.stack([low, middle, high]) == pytest.approx(drawn, rel=0.01)


@pytest.mark.parametrize(("budget", "days"), [(0.0, 3), (-1.0, 3), (100.0, 0)])
def test_impossible_budgets_and_days_are_refused(budget, days):
    with pytest.raises(ValueError, match=r"daily_budget|num_days"):
        run(KNOWN, budget, days, 0, thompson_rule(KNOWN, 100.0))
