"""The dynamic program against one in NumPy that tries every bid, and its known limit."""

import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs import compile
from rtb_envs.policies.rlb import RLB
from rtb_envs.policies.value_of_budget import highest_acceptable_price, values_to_go
from tests.policies.markets import actions, curve_market, distribution

PRICES = (1, 2, 2, 4, 7)


def brute_force(prices, rate, num_auctions, budget):
    """V [num_auctions + 1, budget + 1]: for each state the best of all bids 0 .. budget, where a bid wins at or above
    the price."""
    value = np.zeros((num_auctions + 1, budget + 1))
    for n in range(1, num_auctions + 1):
        for b in range(budget + 1):
            outcomes = []
            for bid in range(b + 1):
                won = [rate + value[n - 1, b - price] if price <= bid else value[n - 1, b] for price in prices]
                outcomes.append(np.mean(won))
            value[n, b] = max(outcomes)
    return value


def values(price, rate, auctions, spacing, num_points, updates):
    program = compile.jit(values_to_go, static_argnums=(5, 6))
    chance = jnp.full(len(price), 1 / len(price))
    return np.asarray(
        program(jnp.float32(price), chance, jnp.float32(rate), jnp.float32(auctions), spacing, num_points, updates)
    )


def test_with_one_auction_an_update_the_program_is_that_of_trying_every_bid():
    # Steps of 3 auctions: the values at the starts of the steps are those of 9, 6 and 3 auctions left.
    expected = brute_force(PRICES, 0.3, 9, 12)
    np.testing.assert_allclose(values(PRICES, [0.3], [3, 3, 3], 1.0, 13, 3), expected[[9, 6, 3]], atol=1e-6)


def test_with_several_rates_every_impression_is_bid_for_by_its_own():
    rates, prices = np.array([0.1, 0.5, 2.0]), np.array(PRICES)
    expected = np.zeros((5, 13))
    for n in range(1, 5):
        for b in range(13):
            after = np.array([expected[n - 1, b - p] if p <= b else -np.inf for p in prices])
            expected[n, b] = np.maximum(rates[:, None] + after, expected[n - 1, b]).mean()
    np.testing.assert_allclose(values(PRICES, rates, [4], 1.0, 13, 4)[0], expected[4], atol=1e-6)


def test_the_bid_is_the_highest_price_that_is_worth_paying():
    table = brute_force(PRICES, 0.3, 9, 12)
    rates = np.float32([0.05, 0.3, 0.7, 1.1])
    for n in (1, 4, 9):
        for budget in (0, 3, 8, 12):
            row = table[n - 1]
            expected = [max(d for d in range(budget + 1) if rate + row[budget - d] >= row[budget]) for rate in rates]
            bids = highest_acceptable_price(jnp.float32(row), 1.0, float(budget), jnp.asarray(rates))
            np.testing.assert_array_equal(np.floor(np.asarray(bids) + 1e-4), expected)


def test_the_value_approaches_the_fluid_limit():
    # Prices uniform on [0, 100] and one rate: buying the cheapest n impressions that the budget pays for. Of N auctions
    # those below x cost N x**2 / 200, so the value is N x / 100 with x = sqrt(200 b / N).
    price = np.linspace(0, 100, 129)[:-1] + 100 / 256
    found = values(price, [1.0], [500.0] * 4, 2_000 / 128, 129, 2048)
    for budget in (500, 1_000, 2_000):
        exact = 2_000 * np.sqrt(200 * budget / 2_000) / 100
        assert 0.96 * exact < found[0, int(128 * budget / 2_000)] < exact


def test_the_curve_of_a_step_follows_the_budget_and_the_auctions_left():
    # In the fluid limit the bid is rate / (dV/db) = rate * x with the same x = sqrt(200 b / N), at most 100.
    price = np.linspace(0, 100, 257)[:-1] + 100 / 512
    env = curve_market(
        distribution(price, (1.0,)), search_volume_mean=np.full(4, 2500.0), initial_budget=np.int32(10_000)
    )
    taken = actions(RLB.for_env(env), env.default_params, [(0, 10_000), (2, 5_000), (2, 2_500), (3, 1_000)])
    assert (taken[:, 0] == 1).all()
    for action, (n, budget) in zip(
        taken, [(10_000, 10_000), (5_000, 5_000), (5_000, 2_500), (2_500, 1_000)], strict=True
    ):
        x = np.sqrt(200 * budget / n)
        np.testing.assert_allclose(action[1:], np.float32([0.5, 1, 2]) * x, rtol=0.06)


def test_where_one_win_in_eight_is_charged_bids_are_those_of_eight_times_the_money():
    price = np.linspace(0, 100, 257)[:-1] + 100 / 512
    rich, poor = (
        curve_market(
            distribution(price, (1.0,), charge_rate=charge_rate),
            search_volume_mean=np.full(4, 2500.0),
            initial_budget=np.int32(budget),
        )
        for charge_rate, budget in ((1.0, 16_000), (0.125, 2_000))
    )
    expected = actions(RLB.for_env(rich), rich.default_params, [(0, 16_000), (2, 4_000)])
    taken = actions(RLB.for_env(poor), poor.default_params, [(0, 2_000), (2, 500)])
    np.testing.assert_allclose(taken, expected, rtol=1e-4)
    # In the fluid limit sqrt(200 b / N), as above.
    np.testing.assert_allclose(taken[:, 2], np.sqrt(200 * np.array([16_000 / 10_000, 4_000 / 5_000])), rtol=0.06)


def test_with_money_for_everything_the_largest_bid_is_made():
    env = curve_market(distribution((1, 2, 3, 4)), search_volume_mean=np.full(4, 5.0), initial_budget=np.int32(1000))
    np.testing.assert_allclose(actions(RLB.for_env(env), env.default_params, [(0, 1000)])[0], [1, 200, 200, 200])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rate_model": "all"}, ValueError, "rate_model must be one of 'mean', 'distribution', got 'all'"),
        ({"num_points": 2}, ValueError, r"num_points must be an integer in \[3, 10000\], got 2"),
        ({"num_points": 9.0}, TypeError, r"num_points must be an integer in \[3, 10000\], got 9.0"),
    ],
)
def test_wrong_settings_are_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        RLB.for_env(curve_market(), **arguments)
