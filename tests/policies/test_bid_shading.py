"""Shading and first-price dual descent by hand, and against the best response to uniform prices."""

import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.policies.bid_shading import BidShading, shaded_bid
from rtb_envs.policies.dual_ogd import DualOGD
from tests.policies.markets import actions, curve_market, distribution

FIRST_PRICE = distribution(first_price_share=1.0)


def test_the_bid_with_the_largest_expected_surplus_is_found_by_hand():
    # Bids 11, 21, 31, 41 win with probability 1/4 ... 1. Four times the surplus at value 10: none; at 35: 24, 28, 12,
    # -24; at 90: 79, 138, 177, 196. With dual 1 a bid costs twice: at 90: 68, 96, 84, 32.
    value = jnp.float32([10, 35, 90])
    np.testing.assert_array_equal(shaded_bid(value, 0.0, FIRST_PRICE), [0, 21, 41])
    np.testing.assert_array_equal(shaded_bid(value, 1.0, FIRST_PRICE), [0, 11, 21])


@pytest.mark.parametrize("dual", [0.0, 0.5])
def test_against_uniform_prices_half_of_the_discounted_value_is_bid(dual):
    # argmax (v - (1 + m) b) * b / 100 = v / (2 (1 + m)): with m = 0 the equilibrium bid of two bidders.
    known = distribution(np.linspace(0, 100, 4001))
    value = np.float32([20, 60, 120])
    np.testing.assert_allclose(shaded_bid(jnp.asarray(value), dual, known), value / (2 * (1 + dual)), atol=1.1)


def test_shading_bids_on_the_value_of_each_knot():
    # Values 17.5, 35 and 70; surplus x 4 at 17.5: 6.5, -7 ...; at 70: 59, 98, 117, 116.
    env = curve_market(FIRST_PRICE)
    taken = actions(BidShading.for_env(env, value_multiplier=3.5), env.default_params, [(0, 100), (1, 3)])
    np.testing.assert_array_equal(taken, [[1, 11, 21, 31]] * 2)


def test_the_dual_moves_against_what_was_left_unspent_by_hand():
    # The even plan spends 25 a step, the unit. Spent: 50, 0 and 250, so at step size .5 the dual goes .5, 1, .5, 5.
    env = curve_market(FIRST_PRICE, initial_budget=np.int32(100))
    rule = DualOGD.for_env(env, value_multiplier=9.0, initial_dual=0.5, step_size=0.5, plan="even")
    taken = actions(rule, env.default_params, [(0, 100), (1, 50), (2, 50), (3, -200)])
    values = jnp.float32([45, 90, 180])
    expected = [np.asarray(shaded_bid(values, dual, FIRST_PRICE)) for dual in (0.5, 1.0, 0.5, 5.0)]
    np.testing.assert_array_equal(taken[:, 1:], expected)
    assert (taken[:, 0] == 1).all()
    assert len({tuple(row) for row in taken.tolist()}) == 3


def test_the_dual_is_never_negative():
    env = curve_market(FIRST_PRICE)
    rule = DualOGD.for_env(env, value_multiplier=9.0, initial_dual=0.1, step_size=0.5, plan="even")
    unspent = actions(rule, env.default_params, [(0, 100), (1, 100), (2, 100), (3, 100)])
    np.testing.assert_array_equal(
        unspent[1:, 1:], [np.asarray(shaded_bid(jnp.float32([45, 90, 180]), 0.0, FIRST_PRICE))] * 3
    )


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        (BidShading, {"value_multiplier": 0}, r"value_multiplier must be a finite number in \(0, 1e\+09\], got 0"),
        (DualOGD, {"value_multiplier": -1}, r"value_multiplier must be a finite number in \(0, 1e\+09\], got -1"),
        (DualOGD, {"initial_dual": -0.1}, r"initial_dual must be a finite number in \[0, 1000\], got -0.1"),
        (DualOGD, {"step_size": 0}, r"step_size must be a finite number in \(0, 1000\], got 0"),
        (DualOGD, {"plan": "front"}, "plan must be one of 'even', 'traffic', got 'front'"),
    ],
)
def test_wrong_settings_are_refused_by_name(family, arguments, message):
    with pytest.raises(ValueError, match=message):
        family.for_env(curve_market(), **arguments)
