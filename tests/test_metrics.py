"""Metrics of campaigns against hand-worked cases and what holds for any campaign."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtb_envs import metrics

amounts = arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1e6))


def test_the_competitive_ratio_weighs_episodes_by_what_they_were_worth():
    assert metrics.competitive_ratio([1, 9], [2, 10]) == pytest.approx(10 / 12)
    assert metrics.competitive_ratio([0.0], [0.0]) == 0.0


def test_regret_is_missed_value_over_the_root_of_the_auctions():
    np.testing.assert_allclose(metrics.regret_per_root_round([3, 5], [7, 5], [16, 25]), [1, 0])


def test_budget_use_and_pacing_error_of_a_campaign_that_spends_evenly_but_too_little():
    spend = [[10, 10, 10, 10]]
    np.testing.assert_allclose(metrics.budget_use(spend, [80]), [0.5])
    # Spent 1/8, 2/8, 3/8, 4/8 where 1/4, 2/4, 3/4, 4/4 were planned: off by 1/8, 2/8, 3/8, 4/8.
    error = np.sqrt((1 + 4 + 9 + 16) / 4) / 8
    np.testing.assert_allclose(metrics.pacing_error(spend, [80], [0.25, 0.5, 0.75, 1]), [error])


def test_a_plan_by_traffic_is_the_share_of_it_that_has_passed():
    np.testing.assert_allclose(metrics.traffic_plan([1, 0, 3]), [0.25, 0.25, 1])
    with pytest.raises(ValueError, match="volume must be with a positive sum"):
        metrics.traffic_plan([0, 0])


def test_quick_spend_is_nine_tenths_of_the_budget_in_the_first_half_of_the_steps():
    spend = [[45, 45, 0, 10], [45, 44, 11, 0], [0, 0, 100, 0]]
    assert metrics.quick_spend(spend, [100, 100, 100]).tolist() == [True, False, False]


def test_depletion_is_the_share_of_steps_after_which_the_budget_is_gone():
    spend = [[50, 50, 0, 0], [10, 10, 10, 10]]
    np.testing.assert_allclose(metrics.depletion_time(spend, [100, 100]), [0.5, 1])


def test_the_excess_of_the_cost_per_action_is_relative_to_its_target_and_never_negative():
    np.testing.assert_allclose(metrics.cost_per_action_excess([100, 100, 30], [4, 10, 0], 20), [0.25, 0, 0.5])


def test_the_score_of_auctionnet_falls_with_the_square_of_the_missed_target():
    # A cost per action of 40 against a target of 20 keeps a quarter; one of 10 keeps everything; free is free.
    np.testing.assert_allclose(metrics.auctionnet_score([8, 8, 8], [80, 20, 0], [2, 2, 2], 20), [2, 8, 8])


def test_concentration_of_equal_and_of_single_amounts():
    assert metrics.gini([5, 5, 5, 5]) == 0
    assert metrics.gini([0, 0, 0, 1]) == pytest.approx(3 / 4)
    assert metrics.gini([1, 3]) == pytest.approx(1 / 4)
    assert metrics.herfindahl_hirschman([1, 1, 2]) == pytest.approx(6 / 16)
    assert metrics.herfindahl_hirschman([0, 0]) == metrics.gini([0, 0]) == 0


@given(amounts)
def test_concentration_stays_in_its_range(amount):
    n = amount.size
    assert -1e-9 <= metrics.gini(amount) <= 1 - 1 / n + 1e-9
    if amount.sum() > 0:
        assert 1 / n - 1e-9 <= metrics.herfindahl_hirschman(amount) <= 1 + 1e-9


def test_the_interquartile_mean_cuts_off_a_quarter_at_either_end():
    assert metrics.interquartile_mean([100, 1, 2, 3, 4, 5, 6, -100]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    np.testing.assert_allclose(metrics.interquartile_mean([[0, 1, 2, 9], [1, 1, 1, 1]]), [1.5, 1])


def test_the_interval_of_equal_runs_is_a_point_and_that_of_others_holds_the_estimate():
    assert metrics.stratified_interquartile_mean(np.full((3, 4), 0.5)) == (0.5, 0.5, 0.5)
    scores = np.random.default_rng(1).normal(size=(5, 10))
    estimate, low, high = metrics.stratified_interquartile_mean(scores)
    assert low < estimate < high
    assert metrics.stratified_interquartile_mean(scores) == (estimate, low, high)
    with pytest.raises(ValueError, match="at least 2 runs"):
        metrics.stratified_interquartile_mean(np.ones((3, 1)))


@given(arrays(np.float64, (3, 6), elements=st.floats(0, 1e3)), st.floats(1, 1e5))
def test_spending_metrics_agree_with_each_other(spend, budget):
    use = metrics.budget_use(spend, np.full(3, budget))
    assert (use >= 0).all()
    assert (metrics.pacing_error(spend, np.full(3, budget), np.linspace(1 / 6, 1, 6)) >= 0).all()
    gone = metrics.depletion_time(spend, np.full(3, budget))
    assert ((gone > 0) & (gone <= 1)).all()
    assert (gone[use < 0.99] == 1).all()


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="budget must be positive"):
        metrics.budget_use([[1.0]], [0.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.cost_per_action_excess(1.0, 1.0, -3.0), "target must be positive"),
        (lambda: metrics.auctionnet_score(1.0, 1.0, 1.0, -3.0), "target must be positive"),
        (lambda: metrics.regret_per_root_round([3.0], [7.0], [0]), "rounds must be at least 1"),
        (
            lambda: metrics.budget_use(np.ones((3, 4)), [1.0, 2.0]),
            r"budget: got shape \(2,\), must broadcast to \(3,\)",
        ),
        (lambda: metrics.budget_use([], 1.0), r"spend_by_step: got shape \(0,\), the last axis must hold"),
    ],
)
def test_what_no_campaign_can_have_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
