"""The rules of Retargeting: bids by hand from the entries that they read, targets, adaptation, and the alliance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.envs.retargeting import POLICY_KEYS, make_retargeting
from rtb_envs.policies.retargeting import DEMO_RULES, STRATEGIES, demo_rule, fixed_bid, strategy
from rtb_envs.random import Stream

MARKET = make_retargeting(num_customers=10)
TOLD = MARKET.seat_params(MARKET.default_params, jnp.int32(0), ())
STREAM = Stream.from_key(jax.random.key(0))
CTR_STAGE, CVR_STAGE, REVENUE = (0.8, 1.2, 1.5, 0.9, 1.1, 1.3), (1, 1, 2, 1, 1, 1.5), (50, 50, 50, 50, 75, 100)


def shown(**entries):
    """An observation for policies with ``entries``, the rest 0."""
    values = {"predicted_ctr": 0.2, "fatigue": 0.9, "conversion_probability": 0.3, **entries}
    values["stage"] = values.get("stage", 0) / 5
    return jnp.float32([values.get(key, 0.0) for key in POLICY_KEYS])


def act(rule, observation):
    return np.asarray(rule.act(STREAM, rule.init(TOLD), observation)[0])


@pytest.mark.parametrize("stage", range(6))
@pytest.mark.parametrize(
    ("name", "multiplier", "stages", "inside"),
    [
        ("aggressive", 1.3, range(6), 1),
        ("conservative", 0.7, (1, 2), 1),
        ("retargeting", 1.5, (2, 5), 2),
        ("adaptive", 1.0, range(6), 1),
        ("brand", 1.2, (0, 1), 1),
    ],
)
def test_strategies_bid_a_third_of_the_expected_revenue(name, multiplier, stages, inside, stage):
    value = 0.33 * 0.2 * CTR_STAGE[stage] * 0.9 * 1.25 * min(0.3 * CVR_STAGE[stage], 1) * REVENUE[stage]
    expected = multiplier * value * (inside if stage in stages else 0.1)
    bid, target, intensity = act(strategy(name), shown(stage=stage))
    np.testing.assert_allclose(bid, expected, rtol=1e-5)
    assert target == (stage if stage in stages else stages[0])
    assert intensity == 5


@pytest.mark.parametrize(
    ("name", "stage", "bid", "intensity"),
    [
        ("aggressive", 0, 0.6 + 10 * 0.3**1.5, 7),
        ("conservative", 1, 0.5 + 15 * 0.09, 4),
        ("retargeting", 2, 2.5 + 2 * np.exp(-50 / 168) + 12 * 0.3**1.5, 10),
        ("retargeting", 5, 2.5 + 2 * np.exp(-50 / 168) + 12 * 0.3**1.5, 10),
        ("retargeting", 1, 0.4 + 3 * 0.3, 3),
        ("retargeting", 3, 0.1, 1),
        ("adaptive", 0, (0.8 + 8 * 0.3**1.5) * 1.5, 5),
        ("brand", 1, 2.5, 5),
        ("brand", 4, 0.4, 5),
    ],
)
def test_demo_rules_bid_by_their_formulas(name, stage, bid, intensity):
    seen = shown(stage=stage, idle=0.05, spent=0.1, roas_of_10=0.3)
    found = act(demo_rule(name), seen)
    np.testing.assert_allclose(found[[0, 2]], [bid, intensity], rtol=1e-5)


def test_the_adaptive_demo_rule_takes_a_roas_of_2_before_its_first_spend():
    np.testing.assert_allclose(act(demo_rule("adaptive"), shown(roas_of_10=0.9))[0], 0.8 + 8 * 0.3**1.5, rtol=1e-5)


def test_the_adaptive_strategy_moves_every_100_opportunities_once_it_has_spent():
    rule = strategy("adaptive")

    def multipliers(observation, steps):
        def step(carry, _):
            _, carry = rule.act(STREAM, carry, observation)
            return carry, carry.multiplier

        return np.asarray(jax.lax.scan(step, rule.init(TOLD), length=steps)[1])

    rich = multipliers(shown(spent=0.2, roas_of_10=0.45), 1200)
    np.testing.assert_allclose(rich[:100], 1)
    np.testing.assert_allclose(rich[100:200], 1.05, rtol=1e-5)
    np.testing.assert_allclose(rich[200:300], 1.05**2, rtol=1e-5)
    np.testing.assert_allclose(multipliers(shown(spent=0.2), 1200)[-1], 0.5)
    np.testing.assert_allclose(multipliers(shown(roas_of_10=0.9), 1200)[-1], 1)
    np.testing.assert_allclose(multipliers(shown(spent=0.2, roas_of_10=0.9), 1200)[-1], 2)


def test_a_member_of_an_alliance_that_yields_bids_10_cents():
    for rule in (strategy("conservative"), demo_rule("adaptive")):
        np.testing.assert_allclose(act(rule, shown(stage=2, yields=1.0))[0], 0.1)


def test_rules_act_on_several_opportunities_at_once():
    rows = jnp.stack([shown(stage=stage) for stage in range(4)])
    for rule in (strategy("brand"), demo_rule("retargeting")):
        np.testing.assert_allclose(act(rule, rows), [act(rule, row) for row in rows], rtol=1e-6)


def test_a_fixed_bid_is_one_dollar_for_whoever_comes():
    np.testing.assert_array_equal(act(fixed_bid(), shown(stage=4)), [1, 4, 1])


def test_unknown_rules_are_refused_by_name():
    with pytest.raises(ValueError, match=r"strategy must be one of 'aggressive', .* got 'greedy'"):
        strategy("greedy")
    with pytest.raises(ValueError, match=r"demo rule must be one of 'aggressive', .* got 'greedy'"):
        demo_rule("greedy")
    assert tuple(STRATEGIES) == DEMO_RULES
