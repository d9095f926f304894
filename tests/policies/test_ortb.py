"""ORTB's bid functions from their optimality conditions, and the dual that spends the budget."""

import numpy as np
import pytest

from rtb_envs.policies.ortb import ORTB, fitted_scale, ortb_bid
from tests.policies.markets import actions, curve_market, distribution

MODELS = {
    "reciprocal": lambda b, c: b / (c + b),
    "quadratic": lambda b, c: b**2 / (c**2 + b**2),
}


def test_bids_by_hand():
    # ORTB1: sqrt(8 * 3 / 1 + 64) - 8 = sqrt(88) - 8. ORTB2, c = 2, dual = 1, value = 1.5: k = (1.5 + 2.5) / 2 = 2.
    assert ortb_bid(3.0, 1.0, 8.0, "reciprocal") == pytest.approx(88**0.5 - 8, rel=1e-6)
    assert ortb_bid(1.5, 1.0, 2.0, "quadratic") == pytest.approx(2 * (2 ** (1 / 3) - 2 ** (-1 / 3)), rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("value", "dual", "scale"), [(1.0, 0.02, 50.0), (16.0, 0.1, 80.0), (0.3, 0.001, 20.0)])
def test_a_bid_maximises_value_less_priced_spending_in_its_model(model, value, dual, scale):
    b = np.linspace(1e-3, 6 * value / dual, 2_000_001)
    gain = (value - dual * b) * MODELS[model](b, scale)
    assert ortb_bid(value, dual, scale, model) == pytest.approx(b[gain.argmax()], rel=2e-3)


@pytest.mark.parametrize("model", MODELS)
def test_the_scale_of_prices_that_follow_the_model_is_found(model):
    share = (np.arange(4000) + 0.5) / 4000
    odds = share / (1 - share)
    price = 70 * (odds if model == "reciprocal" else np.sqrt(odds))
    assert fitted_scale(price, model) == pytest.approx(70, rel=0.03)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", [0.5, 1.0])
@pytest.mark.parametrize("first_price_share", [0.0, 1.0])
def test_the_dual_spends_the_budget_of_the_expected_auctions(model, target, first_price_share):
    # 400 auctions a step, of which the last two of four are beyond the horizon; prices are uniform on [0, 100].
    price = np.linspace(0, 100, 2000)
    known = distribution(price, (0.5, 1.0, 2.0), first_price_share=first_price_share)
    env = curve_market(known, horizon=np.int32(2), search_volume_mean=np.full(4, 400.0), initial_budget=np.int32(4000))
    rule = ORTB.for_env(env, win_model=model, spend_target=target)
    first, second = actions(rule, env.default_params, [(0, 4000), (1, 10)])
    np.testing.assert_array_equal(first, second)
    # A bid b pays b * b / 100 under first price, half of it under second price.
    charges = first[1:].astype(float) ** 2 / 100 * (1 if first_price_share else 0.5)
    assert 800 * charges.mean() == pytest.approx(target * 4000, rel=0.01)
    expected = ortb_bid(np.float32([0.5, 1, 2]), rule.dual, fitted_scale(price, model), model)
    np.testing.assert_allclose(first[1:], expected, rtol=1e-5)
    assert first[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"win_model": "logistic"}, "win_model must be one of 'reciprocal', 'quadratic', got 'logistic'"),
        ({"spend_target": 0}, r"spend_target must be a finite number in \(0, 1e\+09\], got 0"),
    ],
)
def test_wrong_settings_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        ORTB.for_env(curve_market(), **arguments)
