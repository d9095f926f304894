"""What auctions and hindsight refuse: one error that names the argument, what is allowed and what was given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.auctions.budgets import keep_until_exhausted, skip_what_does_not_fit
from rtb_envs.auctions.hindsight import (
    first_price_ceiling,
    fractional_knapsack,
    multiple_choice_knapsack,
    multiplier_ceiling,
    position_ceiling,
)
from rtb_envs.auctions.mechanisms import clearing_price, sealed_bid, wins
from rtb_envs.auctions.pacing_equilibrium import first_price_pacing_equilibrium
from rtb_envs.auctions.position_auctions import position_auction

NAN, INF = np.nan, np.inf
BIDS = np.array([[3.0, 1.0], [2.0, 2.5], [1.0, 4.0]])
"""Of three bidders in two auctions."""


def page(pricing="gsp", bids=BIDS, exposure=(1.0, 0.5), **options):
    return position_auction(bids, exposure, pricing, **options)


def first_price(bid, competing_bid, reserve_price=0.0):
    return clearing_price(bid, competing_bid, "first_price", reserve_price)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bids": [NAN, 1.0]}, ValueError, r"bids must hold finite numbers in \[-inf, inf\], got nan at \(0,\)"),
        ({"bids": BIDS * np.array([1, INF])}, ValueError, r"bids must hold finite numbers .*, got inf at \(0, 1\)"),
        ({"bids": "high"}, TypeError, "bids must be an array of numbers, got 'high' of type str"),
        ({"bids": [[1.0], [1.0, 2.0]]}, TypeError, "bids must be an array of numbers, got"),
        ({"bids": BIDS > 2}, TypeError, "bids must be an array of numbers, got"),
        ({"exposure": []}, ValueError, r"exposure: got shape \(0,\), the first axis must hold 1 to 63 slots"),
        ({"exposure": [INF, 1.0]}, ValueError, r"exposure must hold finite numbers in \(0, inf\], got inf at \(0,\)"),
        ({"exposure": [[1.0], [1.0, 0.5]]}, TypeError, "exposure must be an array of numbers, got"),
        ({"exposure": None}, TypeError, "exposure must be an array of numbers, got None"),
        ({"reserve_price": -1.0}, ValueError, r"reserve_price must hold finite numbers in \[0, inf\], got -1.0 at"),
        ({"reserve_price": [1.0, NAN]}, ValueError, r"reserve_price must hold finite numbers .* got nan at \(1,\)"),
        ({"soft_floor": NAN}, ValueError, "soft_floor must hold finite numbers in"),
        ({"soft_floor": [1.0, -2.0]}, ValueError, r"soft_floor must hold finite numbers .* got -2.0 at \(1,\)"),
        ({"hybrid_weight": 1.5}, ValueError, r"hybrid_weight must hold finite numbers in \[0, 1\], got 1.5"),
        ({"hybrid_weight": NAN}, ValueError, "hybrid_weight must hold finite numbers in"),
        ({"increment": -0.01}, ValueError, r"increment must hold finite numbers in \[0, inf\], got -0.01"),
        ({"quality": [[1.0], [0.0], [1.0]]}, ValueError, r"quality must hold finite numbers in \(0, inf\], got 0.0 at"),
        ({"quality": NAN}, ValueError, "quality must hold finite numbers in"),
        ({"eligible": np.ones((3, 2))}, TypeError, "eligible must be an array of True and False, got"),
        ({"eligible": [[True], [True, False], [True]]}, TypeError, "eligible must be an array of True and False, got"),
        ({"tie_breaker": BIDS * NAN}, ValueError, "tie_breaker must hold finite numbers in"),
        ({"tie_breaker": [[0.5, 0.5]]}, ValueError, r"tie_breaker: got shape \(1, 2\), must be \(3, 2\)"),
        ({"pricing": "english"}, ValueError, "pricing must be one of 'gsp', 'vcg', .*, got 'english'"),
        ({"pricing": None}, ValueError, "pricing must be one of 'gsp', 'vcg', .*, got None"),
    ],
)
def test_an_auction_of_slots_names_the_argument_that_it_can_not_use(arguments, error, message):
    with pytest.raises(error, match=message):
        page(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bids": [1.0, NAN]}, ValueError, r"bids must hold finite numbers in \[-inf, inf\], got nan at \(1,\)"),
        ({"bids": [[1.0], [1.0, 2.0]]}, TypeError, "bids must be an array of numbers, got"),
        ({"bids": 1.0}, ValueError, r"bids: got shape \(\), the last axis must hold at least one bidder"),
        ({"reserve_price": -0.5}, ValueError, r"reserve_price must hold finite numbers in \[0, inf\], got -0.5"),
        ({"reserve_price": np.ones(2)}, ValueError, r"reserve_price: got shape \(2,\), must broadcast with \(3,\)"),
        ({"increment": NAN}, ValueError, "increment must hold finite numbers in"),
        ({"increment": np.ones(4)}, ValueError, r"increment: got shape \(4,\), must broadcast with \(3,\)"),
        ({"hybrid_weight": -0.1}, ValueError, r"hybrid_weight must hold finite numbers in \[0, 1\], got -0.1"),
        ({"soft_floor": np.ones((3, 2))}, ValueError, r"soft_floor: got shape \(3, 2\), must broadcast with \(3,\)"),
        ({"soft_floor": "low"}, TypeError, "soft_floor must be an array of numbers, got 'low'"),
        ({"pricing": "third_price"}, ValueError, "pricing must be one of 'second_price', .*, got 'third_price'"),
    ],
)
def test_a_sealed_bid_auction_names_the_argument_that_it_can_not_use(arguments, error, message):
    with pytest.raises(error, match=message):
        sealed_bid(**{"bids": np.ones((3, 2)), "pricing": "hybrid", **arguments})


@pytest.mark.parametrize("rule", [wins, first_price])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((NAN, 1.0), r"bid must hold finite numbers in \[-inf, inf\], got nan at \(\)"),
        ((1.0, INF), "competing_bid must hold finite numbers in"),
        ((1.0, 1.0, -1.0), r"reserve_price must hold finite numbers in \[0, inf\], got -1.0"),
        ((np.ones(2), np.ones(3)), r"competing_bid: got shape \(3,\), must broadcast with \(2,\)"),
    ],
)
def test_a_single_bid_is_held_against_possible_ones_only(rule, arguments, message):
    with pytest.raises(ValueError, match=message):
        rule(*arguments)


def test_what_is_known_when_a_program_is_compiled_is_looked_at_too():
    with pytest.raises(ValueError, match="reserve_price must hold"):
        jax.jit(lambda bids: sealed_bid(bids, "second_price", reserve_price=-1.0))(jnp.ones(2))
    with pytest.raises(ValueError, match="exposure must hold"):
        jax.jit(lambda bids: page(bids=bids, exposure=(NAN,)))(BIDS)


def test_traced_bids_that_are_not_finite_abstain():
    bids = jnp.array([NAN, INF, 2.0, 1.0, -INF])
    single = jax.jit(lambda bids: sealed_bid(bids, "second_price"))(bids)
    slots = jax.jit(lambda bids: page(bids=bids))(bids)
    assert (int(single.winner), float(single.price)) == (2, 1.0)
    assert slots.bidder.tolist() == [2, 3]
    assert slots.price.tolist() == [1.0, 0.0]


def test_lists_and_whole_numbers_are_taken_as_arrays():
    bids, quality, eligible = [[2], [2], [1]], [[1], [1], [4]], [[True], [True], [False]]
    given = page(bids=bids, exposure=[1, 1], quality=quality, eligible=eligible, tie_breaker=[[0], [3], [5]])
    assert given.bidder.tolist() == [[1], [0]]
    assert given.price.tolist() == [[2.0], [0.0]]


def test_slots_that_no_bidder_is_left_for_stay_empty():
    outcome = page(bids=[3.0, 2.0], exposure=np.ones(4))
    assert outcome.bidder.tolist() == [0, 1, -1, -1]
    assert outcome.price.tolist() == [2.0, 0.0, 0.0, 0.0]


ONES, TWO_SLOTS, TRUE = np.ones(3), np.ones((2, 3)), np.ones((2, 3), bool)


@pytest.mark.parametrize(
    ("ceiling", "arguments", "message"),
    [
        (fractional_knapsack, (ONES, -ONES, 1.0), r"cost must hold finite numbers in \[0, inf\], got -1.0 at \(0,\)"),
        (fractional_knapsack, (ONES * NAN, ONES, 1.0), r"value must hold finite numbers in \[-inf, inf\], got nan at"),
        (fractional_knapsack, (ONES, ONES, -5.0), r"budget must hold numbers in \[0, inf\], got -5.0 at \(\)"),
        (fractional_knapsack, (ONES, ONES, NAN), r"budget must hold numbers in \[0, inf\], got nan"),
        (fractional_knapsack, (ONES, ONES, ONES), r"budget: got shape \(3,\), must be one number"),
        (fractional_knapsack, (ONES, ONES, 1.0, -1.0), r"target_cost must hold numbers in \[0, inf\], got -1.0"),
        (fractional_knapsack, (ONES, ONES[:2], 1.0), r"cost: got shape \(2,\), must be \(3,\), that of value"),
        (fractional_knapsack, (TWO_SLOTS, TWO_SLOTS, 1.0), r"value: got shape \(2, 3\), must have 1 axis"),
        (multiple_choice_knapsack, (TWO_SLOTS, -TWO_SLOTS, TRUE, 1.0), r"cost must hold finite numbers"),
        (multiple_choice_knapsack, (TWO_SLOTS, ONES, TRUE, 1.0), r"cost: got shape \(3,\), must have 2 axes"),
        (position_ceiling, (ONES, TWO_SLOTS, (1.0, 0.5), -1.0), r"budget must hold numbers in \[0, inf\], got -1.0"),
        (position_ceiling, (ONES, TWO_SLOTS, (1.0, 0.0), 1.0), r"exposure must hold finite numbers in \(0, inf\]"),
        (position_ceiling, (ONES, TWO_SLOTS * NAN, (1.0, 0.5), 1.0), r"price must hold numbers in \[0, inf\], got nan"),
        (position_ceiling, (ONES, TWO_SLOTS.T, (1.0, 0.5), 1.0), r"price: got shape \(3, 2\), must be \(2, 3\)"),
        (first_price_ceiling, (ONES, ONES, ONES * 1.1, 1.0), r"win_probability must hold finite numbers in \[0, 1\]"),
        (first_price_ceiling, (ONES, ONES, ONES[:2], 1.0), r"win_probability: got shape \(2,\), must be \(3,\)"),
        (first_price_ceiling, (ONES, -ONES, ONES, 1.0), r"bid must hold finite numbers in \[0, inf\], got -1.0"),
        (multiplier_ceiling, (TWO_SLOTS, TWO_SLOTS, ONES, TRUE, 1.0, 0.1, 2.0), r"threshold: got shape \(3,\)"),
        (multiplier_ceiling, (TWO_SLOTS, TWO_SLOTS, TWO_SLOTS, TRUE, 1.0, -1.0, 2.0), r"multiplier_low must hold"),
        (
            multiplier_ceiling,
            (TWO_SLOTS, TWO_SLOTS, TWO_SLOTS, TRUE, 1.0, 3.0, 2.0),
            r"multiplier_low: got 3.0, must be at most multiplier_high, 2.0",
        ),
        (
            multiple_choice_knapsack,
            (TWO_SLOTS, TWO_SLOTS, np.array([[True] * 3, [False] * 3]), 1.0),
            r"allowed: got no option in group 1, must hold one in every group",
        ),
        (
            first_price_ceiling,
            (ONES, np.array([1.0, 3.0, 2.0]), np.array([0.1, 0.2, 0.3]), 1.0),
            r"win_probability: got 0.3 and then 0.2 for the next higher bid, must not fall",
        ),
        (first_price_pacing_equilibrium, (TWO_SLOTS, [1.0, -1.0]), r"budget must hold finite numbers in \(0, inf\]"),
        (
            first_price_pacing_equilibrium,
            (TWO_SLOTS * NAN, [1.0, 1.0]),
            r"value must hold finite numbers in \[0, inf\]",
        ),
        (first_price_pacing_equilibrium, (TWO_SLOTS, ONES), r"budget: got shape \(3,\), must be \(2,\)"),
        (first_price_pacing_equilibrium, (ONES, ONES), r"value: got shape \(3,\), must be \[bidders, auctions\]"),
    ],
)
def test_hindsight_names_the_argument_that_it_can_not_use(ceiling, arguments, message):
    with pytest.raises(ValueError, match=message):
        ceiling(*arguments)


def test_what_is_allowed_is_said_by_truth_values():
    with pytest.raises(TypeError, match="allowed must be an array of True and False, got"):
        multiple_choice_knapsack(TWO_SLOTS, TWO_SLOTS, TWO_SLOTS, 1.0)


@pytest.mark.parametrize("rule", [keep_until_exhausted, skip_what_does_not_fit])
@pytest.mark.parametrize(
    ("cost", "remaining", "error", "message"),
    [
        ([3, -1], 10, ValueError, r"cost must hold finite numbers in \[0, inf\], got -1.0 at \(1,\)"),
        ([3.5, 1.0], 10, TypeError, r"cost must be an array of whole numbers, got \[3.5, 1.0\]"),
        ([3, 1], NAN, ValueError, "remaining must hold finite numbers in"),
        ([3, 1], 10.0, TypeError, "remaining must be an array of whole numbers, got 10.0"),
        (3, 10, ValueError, r"cost: got shape \(\), the last axis must hold auctions"),
        (
            np.ones((2, 3), np.int32),
            np.ones(3, np.int32),
            ValueError,
            r"remaining: got shape \(3,\), must broadcast with",
        ),
    ],
)
def test_budgets_pay_whole_amounts_only(rule, cost, remaining, error, message):
    with pytest.raises(error, match=message):
        rule(cost, remaining)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sealed_bid([1e39, 1.0], "second_price"), r"bids must hold finite numbers in .*, got 1e\+39 at \(0,\)"),
        (
            lambda: position_auction(np.array([2**40, 2**33]), [1.0], "gsp"),
            r"bids must hold finite numbers in .*, got 1099511627776.0 at \(0,\)",
        ),
        (lambda: keep_until_exhausted([2**33, 2], 5), r"cost must hold .*, got 8589934592.0 at \(0,\)"),
        (lambda: skip_what_does_not_fit([1, 2], 2**33), r"remaining must hold .*, got 8589934592.0"),
        (lambda: keep_until_exhausted(np.array([2**32 - 1], np.uint32), 5), r"cost must hold .*, got 4294967295.0"),
    ],
)
def test_numbers_that_jax_would_take_for_others_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("rule", [keep_until_exhausted, skip_what_does_not_fit])
def test_costs_of_few_bits_are_paid_from_a_budget_of_more(rule, dtype):
    # 100 + 100 + 100 < 100_300 in whole numbers, whatever the costs' type holds.
    assert rule(np.array([100, 100, 100], dtype), 100_300).tolist() == [True, True, True]
    assert rule(np.array([100, 100, 100], dtype), 300).tolist() == [True, True, False]
