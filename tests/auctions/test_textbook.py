"""Auction theory's closed forms, by simulation.

Every check compares a mean over 400,000 auctions with its known value and allows 4.5 standard errors: a correct
simulator fails one of them with probability 7e-6. Seeds are fixed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.auctions.mechanisms import clearing_price, sealed_bid, wins

AUCTIONS = 400_000


def assert_mean(samples, expected):
    samples = np.asarray(samples, np.float64)
    standard_error = samples.std() / np.sqrt(samples.size)
    assert abs(samples.mean() - expected) < 4.5 * standard_error


def uniform_values(num_bidders):
    return jax.random.uniform(jax.random.key(num_bidders), (AUCTIONS, num_bidders))


@pytest.mark.parametrize("num_bidders", [2, 3, 6])
def test_second_price_revenue_from_truthful_uniform_bidders_is_n_minus_one_over_n_plus_one(num_bidders):
    auction = sealed_bid(uniform_values(num_bidders), "second_price")
    assert_mean(auction.price, (num_bidders - 1) / (num_bidders + 1))


@pytest.mark.parametrize("num_bidders", [2, 3, 6])
def test_first_price_revenue_from_equilibrium_bids_equals_that_of_second_price(num_bidders):
    equilibrium_bids = uniform_values(num_bidders) * (num_bidders - 1) / num_bidders
    auction = sealed_bid(equilibrium_bids, "first_price")
    assert_mean(auction.price, (num_bidders - 1) / (num_bidders + 1))


@pytest.mark.parametrize("num_bidders", [2, 5])
def test_a_first_price_bidder_gains_most_by_bidding_n_minus_one_over_n_of_its_value(num_bidders):
    # Against equilibrium bids, bidding b wins with probability (b n / (n - 1))^(n - 1), at most 1.
    value, share = 0.8, (num_bidders - 1) / num_bidders
    highest_rival_bid = uniform_values(num_bidders)[:, 1:].max(axis=1) * share
    gains = {}
    for bid in (0.8 * share * value, share * value, 1.2 * share * value):
        gain = wins(bid, highest_rival_bid) * (value - clearing_price(bid, highest_rival_bid, "first_price"))
        assert_mean(gain, (value - bid) * (bid / share) ** (num_bidders - 1))
        gains[bid] = float(gain.mean())
    assert max(gains, key=gains.get) == share * value


@pytest.mark.parametrize(("reserve_price", "revenue"), [(0.0, 1 / 3), (0.5, 5 / 12)])
def test_the_optimal_reserve_price_lifts_the_revenue_from_two_bidders(reserve_price, revenue):
    assert_mean(sealed_bid(uniform_values(2), "second_price", reserve_price).price, revenue)


@pytest.mark.parametrize(("budget_per_round", "utility"), [(0.05, 0.1326), (0.1, 0.1582), (1 / 6, 1 / 6)])
def test_a_paced_second_price_bidder_spends_its_budget_and_gains_the_fluid_utility(budget_per_round, utility):
    # Value and competing bid uniform, bid k v: E[spend] = k^2 / 6, so k = sqrt(6 rho), and utility is k / 3 - rho.
    pace = np.sqrt(6 * budget_per_round)
    np.testing.assert_allclose(pace / 3 - budget_per_round, utility, atol=5e-5)
    value, competing_bid = uniform_values(2).T
    bid = pace * value
    won = wins(bid, competing_bid)
    spend = jnp.where(won, clearing_price(bid, competing_bid, "second_price"), 0.0)
    assert_mean(spend, budget_per_round)
    assert_mean(jnp.where(won, value, 0.0) - spend, pace / 3 - budget_per_round)
