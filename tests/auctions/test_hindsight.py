"""The hindsight optimum against scipy's linear programs and full enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from rtb_envs.auctions.hindsight import (
    bid_priced_multiplier_ceiling,
    first_price_ceiling,
    fractional_knapsack,
    multiplier_ceiling,
    position_ceiling,
)

STEPS, AUCTIONS = 3, 4
LOW, HIGH = 0.5, 2.0

knapsack = jax.jit(fractional_knapsack)
ceiling = jax.jit(multiplier_ceiling)
of_slots = jax.jit(position_ceiling)
of_first_price = jax.jit(first_price_ceiling)


def small_market(seed):
    """A step-by-auction market with free and worthless auctions, padding, equal and unreachable thresholds."""
    rng = np.random.default_rng(seed)
    shape = (STEPS, AUCTIONS)
    value = rng.uniform(0, 1, shape) * (rng.random(shape) < 0.8)
    cost = rng.integers(0, 30, shape) * rng.choice([0.1, 1.0], shape)
    threshold = rng.choice([0.4, 0.5, 0.7, 1.0, 1.3, 2.0, 2.5], shape)
    return value, cost, threshold, rng.random(shape) < 0.85


def options(value, cost, threshold, valid):
    """(value, cost) of a step for every multiplier at which the won set can change."""
    multipliers = [LOW, HIGH, *threshold[(threshold >= LOW) & (threshold <= HIGH)]]
    won = [valid & (threshold <= multiplier) for multiplier in multipliers]
    return [(value[mask].sum(), cost[mask].sum()) for mask in won]


def in_float64(function, *arguments):
    with jax.enable_x64(True):
        return float(function(*(jnp.asarray(argument) for argument in arguments)))


@pytest.mark.parametrize("seed", range(25))
def test_the_knapsack_is_the_optimum_of_the_linear_program(seed):
    value, cost, _, _ = (array.ravel() for array in small_market(seed))
    for budget in (0.0, 3.7, 0.4 * cost.sum(), cost.sum(), 2 * cost.sum() + 1):
        optimum = -linprog(-value, A_ub=cost[None], b_ub=[budget], bounds=(0, 1)).fun
        np.testing.assert_allclose(in_float64(knapsack, value, cost, budget), optimum, rtol=1e-6, atol=1e-9)


def test_the_knapsack_takes_free_auctions_and_ignores_worthless_ones():
    value, cost = jnp.array([3.0, 1.0, 0.0, 4.0]), jnp.array([0.0, 2.0, 1.0, 4.0])
    assert knapsack(value, cost, 0.0) == 3.0
    assert knapsack(value, cost, 5.0) == 3.0 + 4.0 + 0.5


@pytest.mark.parametrize("seed", range(25))
def test_the_knapsack_under_a_target_is_the_optimum_of_the_linear_program_with_both_constraints(seed):
    value, cost, _, _ = (array.ravel() for array in small_market(seed))
    average = cost.sum() / value.sum()
    for budget, target in itertools.product((0.4 * cost.sum(), 2 * cost.sum() + 1), (0.0, 0.3 * average, average, 1e6)):
        constraints = np.stack([cost, cost - target * value])
        optimum = -linprog(-value, A_ub=constraints, b_ub=[budget, 0.0], bounds=(0, 1)).fun
        np.testing.assert_allclose(in_float64(knapsack, value, cost, budget, target), optimum, rtol=1e-6, atol=1e-9)


def test_the_target_holds_the_average_cost_so_cheap_auctions_pay_for_dear_ones():
    # Ratios 1, 3 and 9 at a target of 3: 1 and 3 are taken; of 9 what the first's slack 2 pays of its excess 6.
    value, cost = jnp.ones(3), jnp.array([9.0, 1.0, 3.0])
    assert float(knapsack(value, cost, 100.0, 3.0)) == pytest.approx(2 + 2 / 6, rel=1e-6)
    assert knapsack(value, cost, 2.5, 3.0) == 1.5


@pytest.mark.parametrize("seed", range(5))
def test_the_knapsack_of_value_less_price_is_the_largest_second_price_profit(seed):
    value, price = np.random.default_rng(seed).uniform(0, 1, (2, 12))
    optimum = -linprog(price - value, A_ub=price[None], b_ub=[1.0], bounds=(0, 1)).fun
    np.testing.assert_allclose(in_float64(knapsack, value - price, price, 1.0), optimum, rtol=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_the_ceiling_over_slots_is_the_linear_program_and_at_most_one_auction_above_whole_choices(seed):
    rng = np.random.default_rng(seed)
    value, exposure = rng.uniform(0, 1, 5) * (rng.random(5) < 0.9), np.array([1.0, 0.8, 0.48])
    price = -np.sort(-rng.gamma(2.0, 1.0, (3, 5)), axis=0)
    price[-1] *= rng.random(5) < 0.8  # some last slots are free
    price[0, rng.integers(5)] = np.inf
    steps = [
        [(0.0, 0.0), *((x * v, x * p) for x, p in zip(exposure, column, strict=True) if np.isfinite(p))]
        for v, column in zip(value, price.T, strict=True)
    ]
    for budget in (0.0, 0.8, 2.5, 100.0):
        bound = in_float64(of_slots, value, price, exposure, budget)
        np.testing.assert_allclose(bound, linear_program(steps, budget), rtol=1e-6, atol=1e-9)
        feasible = [choice for choice in itertools.product(*steps) if sum(cost for _, cost in choice) <= budget]
        best = max(sum(value for value, _ in choice) for choice in feasible)
        assert best <= bound + 1e-9 <= best + value.max() + 1e-8


def test_the_ceiling_over_one_slot_is_the_knapsack():
    value, price = np.random.default_rng(8).uniform(0, 1, (2, 30))
    for budget in (0.5, 3.0, 100.0):
        expected = in_float64(knapsack, value, price, budget)
        np.testing.assert_allclose(in_float64(of_slots, value, price[None], np.ones(1), budget), expected, rtol=1e-9)


@pytest.mark.parametrize("seed", range(15))
def test_the_first_price_ceiling_is_the_linear_program_over_randomised_bids(seed):
    rng = np.random.default_rng(seed)
    value, bid = rng.uniform(0, 2, 6), np.sort(rng.uniform(0, 1.5, 7))
    probability = np.sort(rng.uniform(0, 1, 7))
    for cost_weight, budget in itertools.product((0.0, 1.0), (0.0, 0.7, 2.0, 50.0)):
        steps = [
            [(0.0, 0.0), *(((v - cost_weight * b) * p, b * p) for b, p in zip(bid, probability, strict=True))]
            for v in value
        ]
        bound = in_float64(of_first_price, value, bid, probability, budget, cost_weight)
        np.testing.assert_allclose(bound, linear_program(steps, budget), rtol=1e-6, atol=1e-9)


def test_the_first_price_ceiling_against_a_uniform_rival_is_that_of_bidding_a_shaded_value():
    # F(b) = b: (v - (1 + mu) b) b is largest at b = v / (2 (1 + mu)). Values 1 and .5 without budget: bids .5 and .25,
    # profit 1/4 + 1/16, cost 1/4 + 1/16. With a quarter of that cost the bids halve (mu = 1): profit 3/16 + 3/64.
    grid = np.linspace(0, 1, 1001)
    value = np.array([1.0, 0.5])
    assert in_float64(of_first_price, value, grid, grid, 10.0) == pytest.approx(5 / 16, rel=1e-6)
    assert in_float64(of_first_price, value, grid, grid, 5 / 64) == pytest.approx(15 / 64, rel=1e-4)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.floats(0, 200, width=32), more=st.floats(0, 50, width=32))
def test_a_larger_budget_never_buys_less_and_never_more_than_everything(seed, budget, more):
    value, cost, _, _ = (jnp.asarray(array.ravel(), jnp.float32) for array in small_market(seed))
    less, richer = float(knapsack(value, cost, budget)), float(knapsack(value, cost, budget + more))
    assert 0 <= less <= richer * (1 + 1e-6) + 1e-6
    assert richer <= float(value.sum()) * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_the_ceiling_is_the_linear_program_over_winnable_sets_and_at_most_one_step_above_whole_choices(seed):
    market = small_market(seed)
    steps = [options(*(array[t] for array in market)) for t in range(STEPS)]
    cheapest = sum(min(cost for _, cost in step) for step in steps)
    dearest = sum(max(cost for _, cost in step) for step in steps)
    largest_step = max(value for step in steps for value, _ in step)
    for budget in cheapest + np.array([0.001, 0.3, 0.8, 1.5]) * (dearest - cheapest):
        bound = in_float64(ceiling, *market, budget, LOW, HIGH)
        np.testing.assert_allclose(bound, linear_program(steps, budget), rtol=1e-6, atol=1e-9)
        feasible = [choice for choice in itertools.product(*steps) if sum(cost for _, cost in choice) <= budget]
        best = max(sum(value for value, _ in choice) for choice in feasible)
        assert best <= bound * (1 + 1e-9) <= best + largest_step + 1e-9


def linear_program(steps, budget):
    """The best mixture of each step's options within the budget."""
    flat = np.array([option for step in steps for option in step])
    step_of = np.repeat(np.arange(len(steps)), [len(step) for step in steps])
    mixtures = (step_of == np.arange(len(steps))[:, None]).astype(float)
    result = linprog(
        -flat[:, 0], A_ub=flat[:, 1][None], b_ub=[budget], A_eq=mixtures, b_eq=np.ones(len(steps)), bounds=(0, 1)
    )
    return -result.fun


def test_the_ceiling_is_the_linear_program_of_a_day_with_nearly_free_auctions():
    # An auction at a millionth of the others' cost stretches the bracket of the bisection to a million times its root.
    rng = np.random.default_rng(5)
    value, cost = rng.uniform(0.01, 0.2, (24, 80)), rng.gamma(2.0, 30.0, (24, 80))
    cost[3, 5] = 1e-6
    threshold, valid = 0.02 * cost / value * rng.uniform(0.8, 1.2, cost.shape), np.ones(cost.shape, bool)
    steps = [options(value[t], cost[t], threshold[t], valid[t]) for t in range(24)]
    winnable_cost = cost[threshold <= HIGH].sum()
    for budget in (0.3 * winnable_cost, 0.7 * winnable_cost):
        assert budget > cost[threshold <= LOW].sum()
        bound = in_float64(ceiling, value, cost, threshold, valid, budget, LOW, HIGH)
        np.testing.assert_allclose(bound, linear_program(steps, budget), rtol=1e-9)
        single = ceiling(
            *(jnp.asarray(array, jnp.float32) for array in (value, cost, threshold)), valid, budget, LOW, HIGH
        )
        np.testing.assert_allclose(single, bound, rtol=1e-5)


def test_the_ceiling_without_a_binding_budget_is_everything_a_multiplier_can_win():
    value, cost, threshold, valid = small_market(3)
    winnable = value[valid & (threshold <= HIGH)].sum()
    assert in_float64(ceiling, value, cost, threshold, valid, 1e9, LOW, HIGH) == pytest.approx(winnable, rel=1e-12)


def test_a_ceiling_whose_lowest_choice_already_overspends_is_scaled_to_the_budget():
    value, cost, threshold = jnp.array([[6.0, 9.0]]), jnp.array([[8.0, 1.0]]), jnp.array([[0.5, 3.0]])
    assert ceiling(value, cost, threshold, jnp.ones((1, 2), bool), 2.0, LOW, HIGH) == 6.0 * 2.0 / 8.0


@pytest.mark.parametrize("seed", range(8))
def test_the_ceiling_of_prices_that_follow_the_bid_is_the_linear_program_over_multipliers(seed):
    value, worth, threshold, valid = small_market(seed)

    def cost_at(multiplier):
        return jnp.floor(multiplier[:, None] * (jnp.asarray(worth) + 1))

    step_options = []
    for t in range(STEPS):
        multipliers = [LOW, *threshold[t][(threshold[t] >= LOW) & (threshold[t] <= HIGH)]]
        won = [valid[t] & (threshold[t] <= m) for m in multipliers]
        paid = [np.floor(m * (worth[t] + 1)) for m in multipliers]
        step_options.append([(value[t][mask].sum(), cost[mask].sum()) for mask, cost in zip(won, paid, strict=True)])
    flat = np.array([option for group in step_options for option in group])
    groups = np.repeat(np.arange(STEPS), [len(group) for group in step_options])
    one_of_each = (groups == np.arange(STEPS)[:, None]).astype(float)
    least = sum(min(cost for _, cost in group) for group in step_options)
    for budget in (least + 1.0, least + 20.0, 1e6):
        program = linprog(-flat[:, 0], flat[None, :, 1], [budget], one_of_each, np.ones(STEPS), bounds=(0, 1))
        bound = in_float64(
            lambda *arrays: bid_priced_multiplier_ceiling(arrays[0], cost_at, *arrays[1:]),
            *(value, threshold, valid, budget, LOW, HIGH),
        )
        np.testing.assert_allclose(bound, -program.fun, rtol=1e-6, atol=1e-9)


def test_an_episode_without_auctions_has_a_ceiling_of_zero():
    empty = jnp.zeros((STEPS, AUCTIONS))
    assert ceiling(empty, empty, empty, jnp.zeros((STEPS, AUCTIONS), bool), 10.0, LOW, HIGH) == 0.0


def test_the_ceiling_of_a_batch_of_float32_markets_is_close_to_that_of_each_in_float64():
    markets = [small_market(seed) for seed in range(8)]
    budgets = np.array([0.4 * market[1].sum() for market in markets])
    stacked = [jnp.asarray(np.stack(arrays)) for arrays in zip(*markets, strict=True)]
    batch = jax.vmap(ceiling, in_axes=(0, 0, 0, 0, 0, None, None))(*stacked, jnp.asarray(budgets), LOW, HIGH)
    alone = [in_float64(ceiling, *market, budget, LOW, HIGH) for market, budget in zip(markets, budgets, strict=True)]
    np.testing.assert_allclose(batch, alone, rtol=1e-5)


def test_the_ceiling_is_not_above_the_knapsack_over_single_auctions_where_low_bids_win_nothing():
    for seed in range(20):
        value, cost, threshold, valid = small_market(seed)
        valid = valid & (threshold > LOW)
        budget = 0.3 * cost.sum()
        bound = in_float64(ceiling, value, cost, threshold, valid, budget, LOW, HIGH)
        assert bound <= in_float64(knapsack, (value * valid).ravel(), cost.ravel(), budget) * (1 + 1e-9)


def test_limits_that_are_known_within_a_traced_program_are_taken():
    value, cost, threshold, valid = (jnp.asarray(array) for array in small_market(3))
    low, high = jnp.float32(0.5), jnp.float32(2.0)
    inside = jax.jit(lambda value: multiplier_ceiling(value, cost, threshold, valid, 3.0, low, high))(value)
    outside = multiplier_ceiling(value, cost, threshold, valid, 3.0, low, high)
    np.testing.assert_allclose(inside, outside, rtol=1e-6)
