"""Attribution: every rule by hand, and that each conversion is credited exactly once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb_envs.users.attribution import ATTRIBUTIONS, DIRECT, NO_TOUCH, attribution_credit


def credit(rule, channels, hours):
    return attribution_credit(np.array(channels, np.int32), np.array(hours, np.float32), rule).tolist()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first", [0, 10_000, 0, 0, 0]),
        ("last", [0, 0, 0, 0, 10_000]),
        ("last_non_direct", [0, 0, 0, 10_000, 0]),
        ("linear", [0, 2500, 2500, 2500, 2500]),
        ("position", [0, 4000, 1000, 1000, 4000]),
        # Halves of 7 days: 1/8, 1/4, 1/2, 1 of 15/8, the remainder of rounding down at the last touch.
        ("time_decay", [0, 666, 1333, 2666, 5335]),
    ],
)
def test_rules_credit_a_path_of_four_touches_as_by_hand(rule, expected):
    assert credit(rule, [NO_TOUCH, 2, 0, 1, DIRECT], [9999, 504, 336, 168, 0]) == expected


@pytest.mark.parametrize("rule", ATTRIBUTIONS)
def test_a_single_touch_has_all_credit_and_an_empty_path_none(rule):
    assert credit(rule, [NO_TOUCH, 1], [0, 5]) == [0, 10_000]
    assert credit(rule, [NO_TOUCH, NO_TOUCH], [0, 0]) == [0, 0]


def test_of_two_touches_position_gives_half_each():
    assert credit("position", [0, 1], [10, 0]) == [5000, 5000]


@pytest.mark.parametrize("rule", ATTRIBUTIONS)
def test_touches_older_than_30_days_do_not_count(rule):
    assert credit(rule, [0, 1], [720.5, 720.0]) == [0, 10_000]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rule=st.sampled_from(ATTRIBUTIONS),
    channels=st.lists(st.integers(-2, 5), min_size=6, max_size=6),
    gaps=st.lists(st.floats(0, 400, width=32), min_size=6, max_size=6),
)
def test_credits_are_not_negative_and_sum_to_one_conversion(rule, channels, gaps):
    hours = np.cumsum(gaps)[::-1]
    given_credit = credit(rule, channels, hours)
    counted = any(channel != NO_TOUCH and hour <= 720 for channel, hour in zip(channels, hours, strict=True))
    assert min(given_credit) >= 0
    assert sum(given_credit) == (10_000 if counted else 0)


def test_an_unknown_rule_is_refused_by_name():
    with pytest.raises(ValueError, match=r"rule must be one of 'last', 'first', .* got 'shapley'"):
        credit("shapley", [0], [0])
