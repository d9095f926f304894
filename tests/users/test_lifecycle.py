"""Stages of the customer journey: the whole truth table of the rules, lifetime value and churn."""

import itertools

import numpy as np
import pytest

from rtb_envs.users.lifecycle import STAGES, Stage, churn_probability, lifecycle_stage, updated_lifetime_value

IDLE, PURCHASES, CART, VISITS = (0.0, 720.0, 720.01), (0, 1, 2, 3), (0.0, 0.01), (0, 3, 4)


@pytest.mark.parametrize(
    ("idle", "purchases", "cart", "visits"), list(itertools.product(IDLE, PURCHASES, CART, VISITS))
)
def test_the_stage_is_that_of_the_first_rule_that_holds(idle, purchases, cart, visits):
    if idle > 30 * 24:
        expected = "churn_risk"
    elif purchases > 2:
        expected = "retention"
    elif purchases > 0:
        expected = "purchase"
    elif cart > 0:
        expected = "consideration"
    elif visits > 3:
        expected = "interest"
    else:
        expected = "awareness"
    assert STAGES[int(lifecycle_stage(idle, purchases, cart, visits))] == expected


def test_the_rules_work_on_arrays_and_name_six_stages():
    stage = lifecycle_stage(np.array([0.0, 800.0]), np.array([3, 3]), np.zeros(2), np.zeros(2))
    assert stage.tolist() == [Stage.RETENTION, Stage.CHURN_RISK]
    assert STAGES == ("awareness", "interest", "consideration", "purchase", "retention", "churn_risk")


def test_a_purchase_moves_the_lifetime_value_a_tenth_of_the_way_to_its_yearly_margin():
    # .9 * 100 + .1 * 12 * .3 * 50 = 90 + 18
    np.testing.assert_allclose(updated_lifetime_value(100.0, 50.0, 0.3), 108.0, rtol=1e-6)


def test_churn_is_half_likely_after_log_2_of_the_30_days():
    np.testing.assert_allclose(churn_probability(np.array([0.0, 720 * np.log(2), 1e6])), [0, 0.5, 1], atol=1e-6)
