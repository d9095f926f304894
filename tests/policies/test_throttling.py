"""Smooth delivery by hand."""

import numpy as np
import pytest

from rtb_envs.policies.throttling import Throttling
from tests.policies.markets import actions, curve_market, distribution


def test_participation_follows_the_spend_plan_by_hand():
    # The even plan leaves 100, 75, 50, 25. Left: 80 (too little spent, so up), 40 (too much, down), 25 (on plan: down).
    env = curve_market()
    rule = Throttling.for_env(env, multiplier=2.0, adjustment=0.25, initial_rate=0.4, plan="even")
    taken = actions(rule, env.default_params, [(0, 100), (1, 80), (2, 40), (3, 25)])
    np.testing.assert_allclose(taken[:, 0], [0.4, 0.5, 0.375, 0.28125], rtol=1e-6)
    np.testing.assert_array_equal(taken[:, 1:], [[10, 20, 40]] * 4)


def test_participation_never_exceeds_one():
    env = curve_market()
    rule = Throttling.for_env(env, adjustment=0.5, initial_rate=0.9)
    assert actions(rule, env.default_params, [(0, 100), (1, 100), (2, 100)])[:, 0].tolist() == [np.float32(0.9), 1, 1]


def test_the_first_participation_is_expected_to_spend_the_budget():
    # Bids 15, 30, 45 against prices 10, 20, 30, 40 cost 10, 30 and 100 over 4: 140 / 12 an auction, 800 auctions.
    known = distribution(relative_rate=(0.5, 1, 1.5))
    env = curve_market(known)
    rule = Throttling.for_env(env, multiplier=3.0)
    assert float(rule.initial_rate) == pytest.approx(100 / (800 * 140 / 12), rel=1e-5)
    rich = curve_market(known, initial_budget=np.int32(10**6))
    assert float(Throttling.for_env(rich, multiplier=3.0).initial_rate) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"multiplier": 0}, r"multiplier must be a finite number in \(0, 1e\+09\], got 0"),
        ({"adjustment": 1.0}, r"adjustment must be a finite number in \[0, 0.99\], got 1.0"),
        ({"initial_rate": 1.5}, r"initial_rate must be a finite number in \(0, 1\], got 1.5"),
    ],
)
def test_wrong_settings_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Throttling.for_env(curve_market(), **arguments)
