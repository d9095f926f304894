"""Rules whose bid curve is given by one number, and multipliers turned into curves, by hand."""

import jax
import numpy as np
import pytest

from rtb_envs.policies.constant_bid import ConstantBid
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.mcpc import MaxCPC
from rtb_envs.policies.pid import PID
from rtb_envs.policies.policy import StraightCurve
from rtb_envs.policies.random_bid import RandomBid
from rtb_envs.policies.truthful import Truthful
from rtb_envs.random import Stream
from tests.policies.markets import actions, curve_market, distribution, market

OBSERVATIONS = [(0, 100), (1, 90), (2, 40), (3, 40)]


def curves(rule, env, observations=((0, 100), (3, 1)), stream=None):
    taken = actions(rule, env.default_params, observations, stream)
    assert taken.dtype == np.float32
    return taken


def test_a_multiplier_becomes_the_straight_curve_through_every_auction():
    env = curve_market()
    rule = Linear.for_env(env, multiplier=0.7)
    assert isinstance(rule, StraightCurve)
    np.testing.assert_allclose(curves(rule, env), [[1, 3.5, 7, 14]] * 2, rtol=1e-6)


def test_a_straight_curve_ends_at_the_largest_bid():
    env = curve_market(largest_bid=np.float32(12))
    np.testing.assert_allclose(curves(Linear.for_env(env), env)[0], [1, 5, 10, 12])


def test_a_rule_with_memory_keeps_it_under_bid_curves():
    env, plain = curve_market(), market()
    multipliers = actions(PID.for_env(plain), plain.default_params, OBSERVATIONS)
    taken = curves(PID.for_env(env), env, OBSERVATIONS)
    np.testing.assert_allclose(taken[:, 1:], multipliers * np.float32([5, 10, 20]), rtol=1e-6)


def test_a_constant_bid_is_the_same_for_every_impression_and_by_default_the_standard_bid_price():
    env = curve_market()
    np.testing.assert_array_equal(curves(ConstantBid.for_env(env, bid=7), env), [[1, 7, 7, 7]] * 2)
    np.testing.assert_array_equal(curves(ConstantBid.for_env(env), env), [[1, 10, 10, 10]] * 2)


def test_random_bids_are_uniform_over_steps_and_shared_within_them():
    env = curve_market()
    rule, stream = RandomBid.for_env(env, highest_bid=40), Stream.from_key(jax.random.key(0))
    carry = rule.init(env.default_params)
    taken = np.asarray(jax.vmap(lambda t: rule.act(stream.step(t), carry, np.zeros(2))[0])(np.arange(2000)))
    assert (taken[:, 0] == 1).all()
    assert (taken[:, 1:] == taken[:, 1:2]).all()
    # Kolmogorov-Smirnov: sqrt(n) * D exceeds 2.03 with probability 5e-4.
    share = np.sort(taken[:, 1]) / 40
    assert np.sqrt(2000) * np.abs(share - (np.arange(2000) + 0.5) / 2000).max() < 2.03
    assert float(RandomBid.for_env(env).highest_bid) == 20


def test_truthful_bids_are_the_value_of_an_action_times_the_predicted_rate():
    # Predicted rates 1/200, 1/100, 1/50.
    env = curve_market()
    np.testing.assert_allclose(curves(Truthful.for_env(env, action_value=3000), env), [[1, 15, 30, 60]] * 2, rtol=1e-6)
    np.testing.assert_allclose(curves(Truthful.for_env(env), env), [[1, 5, 10, 20]] * 2)


def test_mcpc_bids_are_the_limit_times_the_predicted_rate():
    env = curve_market()
    taken = curves(MaxCPC.for_env(env, max_cost_per_click=500), env)
    np.testing.assert_allclose(taken, [[1, 2.5, 5, 10]] * 2, rtol=1e-6)


def test_the_limit_of_mcpc_is_by_default_what_a_click_costs_who_buys_everything():
    # Mean price 25, mean rate 1/100: a click costs 2500.
    env = curve_market()
    np.testing.assert_allclose(curves(MaxCPC.for_env(env), env), [[1, 12.5, 25, 50]] * 2, rtol=1e-6)
    known = distribution(price=(2, 4))
    np.testing.assert_allclose(curves(MaxCPC.for_env(env, distribution=known), env), [[1, 1.5, 3, 6]] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("family", "setting"),
    [
        (ConstantBid, "bid"),
        (RandomBid, "highest_bid"),
        (Truthful, "action_value"),
        (MaxCPC, "max_cost_per_click"),
    ],
)
def test_wrong_settings_are_refused_by_name(family, setting):
    for wrong in (0, -1, float("nan"), 1e10):
        with pytest.raises(ValueError, match=rf"{setting} must be a finite number in \(0, 1e\+09\], got"):
            family.for_env(curve_market(), **{setting: wrong})
    with pytest.raises(TypeError, match=rf"{setting} must be a finite number"):
        family.for_env(curve_market(), **{setting: "5"})
    with pytest.raises(ValueError, match='action_kind must be "bid_curve"'):
        family.for_env(market())
