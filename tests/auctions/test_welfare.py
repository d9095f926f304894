"""Liquid welfare, its linear program against the dual one, and how bad equilibria of autobidders can be."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from rtb_envs.auctions.mechanisms import sealed_bid
from rtb_envs.auctions.welfare import envy, largest_liquid_welfare, liquid_welfare


def test_liquid_welfare_counts_of_each_bidder_s_value_what_it_could_pay():
    assert liquid_welfare([3.0, 5.0, 1.0], [2.0, np.inf, 4.0]) == 2 + 5 + 1
    np.testing.assert_array_equal(liquid_welfare([[3.0, 5.0], [0.0, 9.0]], 4.0), [7, 4])


def test_envy_is_the_gain_by_what_another_has_at_its_payment_if_the_budget_covers_it():
    # Bidder 1 has 3 - 1 = 2 and would have 8 - 4 = 4 in the other's place, bidder 2 has 2 - 4 and would have 1 - 1.
    value, share, payment = [[3, 8], [1, 2]], np.eye(2), [1, 4]
    assert envy(value, share, payment).tolist() == [2, 2]
    assert envy(value, share, payment, [3, 9]).tolist() == [0, 2]
    assert envy(value, share, [1, 7]).tolist() == [0, 5]


def test_without_budgets_the_best_allocation_gives_every_auction_to_the_highest_value():
    value = np.random.default_rng(0).uniform(0, 1, (3, 20))
    assert largest_liquid_welfare(value, np.full(3, np.inf)) == pytest.approx(value.max(axis=0).sum(), rel=1e-9)


def test_the_best_allocation_by_hand():
    # Bidder 1 values both auctions 4 and has 5: one and a quarter of the other; bidder 2 has three quarters of 2.
    assert largest_liquid_welfare([[4, 4], [0, 2]], [5, 9]) == pytest.approx(5 + 1.5)
    # Over two slots seen with probability 1 and 1/2 by bidders without budgets: the higher value has the better one.
    assert largest_liquid_welfare([[4], [6]], [np.inf] * 2, [1, 0.5]) == pytest.approx(6 + 2)


def dual_program(value, budget, exposure):
    """min budget (1 - m) + slot prices + rents, such that price_ts + rent_it >= m_i x_s v_it, with m in [0, 1]."""
    (bidders, auctions), slots = value.shape, len(exposure)
    prices, rents = auctions * slots, bidders * auctions
    rows = []
    for i, t, s in np.ndindex(bidders, auctions, slots):
        row = np.zeros(bidders + prices + rents)
        row[i] = exposure[s] * value[i, t]
        row[bidders + t * slots + s] = row[bidders + prices + i * auctions + t] = -1
        rows.append(row)
    cost = np.concatenate([-budget, np.ones(prices + rents)])
    bounds = [(0, 1)] * bidders + [(0, None)] * (prices + rents)
    return budget.sum() + linprog(cost, np.array(rows), np.zeros(len(rows)), bounds=bounds).fun


@pytest.mark.parametrize("exposure", [(1.0,), (1.0, 0.8, 0.48)])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_allocation_is_worth_what_the_dual_program_costs(seed, exposure):
    rng = np.random.default_rng(seed)
    value = rng.uniform(0, 1, (4, 7)) * (rng.random((4, 7)) < 0.8)
    budget = rng.uniform(0, 3, 4)
    np.testing.assert_allclose(
        largest_liquid_welfare(value, budget, exposure), dual_program(value, budget, exposure), rtol=1e-9
    )


def value_maximisers(value, multiplier):
    """Welfare of second-price auctions, and whether everybody pays at most its value; [*batch, bidders, auctions]."""
    bid = np.moveaxis(multiplier[..., None] * value, -2, -1)
    outcome = sealed_bid(jnp.asarray(bid, jnp.float32), "second_price")
    won = np.asarray(outcome.winner)[..., None] == np.arange(value.shape[-2])
    got = (won * np.moveaxis(value, -2, -1)).sum(axis=-2)
    paid = (won * np.asarray(outcome.price)[..., None]).sum(axis=-2)
    return got.sum(axis=-1), (paid <= got).all(axis=-1)


def test_value_maximisers_who_keep_their_targets_have_at_least_half_of_the_best_welfare():
    # Aggarwal, Badanidiyuru and Mehta (WINE 2019); values in units of the target cost. Bids below value are dominated,
    # so multipliers are at least 1: then a lost value is at most the price paid, and prices sum to at most the welfare.
    rng = np.random.default_rng(0)
    value = rng.uniform(0, 1, (20_000, 3, 6)) ** 3
    welfare, on_target = value_maximisers(value, np.exp(rng.exponential(1.5, (20_000, 3))))
    best = value.max(axis=1).sum(axis=-1)
    assert 2_000 < on_target.sum() < 18_000
    assert (welfare[on_target] >= best[on_target] / 2).all()
    assert (welfare < best / 2).any()  # without the target there is no such bound


def test_there_are_equilibria_of_value_maximisers_with_hardly_more_than_half_of_the_best_welfare():
    # Bidder 1 gets its first auction free and pays 1 for the second, worth .01 to it, to reach an average cost of
    # 1 / 1.01. Bidder 2, who values it at 1, would have to pay more than that.
    value = np.array([[1.0, 0.01], [0.0, 1.0]])
    welfare, on_target = value_maximisers(value, np.array([110.0, 1.0]))
    assert on_target
    assert welfare == pytest.approx(1.01)
    _, outbid_on_target = value_maximisers(value, np.array([110.0, 1.11]))
    assert not outbid_on_target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0]), "value must be an array [bidders, auctions], got (2,)"),
        (([[1.0, -2.0]], [1.0]), "value must hold finite numbers in [0, inf], got -2.0 at (0, 1)"),
        (([[1.0, 2.0]], [-1.0]), "budget must be 1 numbers >= 0, got [-1.0]"),
        (([[1.0, 2.0]], [1.0, 2.0]), "budget must be 1 numbers >= 0, got [1.0, 2.0]"),
        (([[1.0, 2.0]], [1.0], [1.5]), "exposure must hold finite numbers in [0, 1], got 1.5 at (0,)"),
        (([[1.0, 2.0]], [1.0], 1.0), "exposure must have shape (1,), got shape ()"),
    ],
)
def test_what_is_no_market_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        largest_liquid_welfare(*arguments)


def test_liquid_welfare_is_of_values_and_budgets_that_are_not_negative():
    with pytest.raises(ValueError, match=r"value must hold finite numbers in \[0, inf\], got nan at \(1,\)"):
        liquid_welfare([1.0, np.nan], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"budget must hold numbers in \[0, inf\], got -1.0 at \(0,\)"):
        liquid_welfare([1.0, 1.0], [-1.0, np.inf])
