"""Auction theory's closed forms, by simulation.

Checks of a mean compare it over 400,000 auctions with its known value and allow 4.5 standard errors: a correct
simulator fails one of them with probability 7e-6. Seeds are fixed.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.auctions.mechanisms import clearing_price, sealed_bid, wins
from rtb_envs.auctions.position_auctions import position_auction

AUCTIONS = 400_000

jit_position_auction = jax.jit(position_auction, static_argnames="pricing")


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


def test_the_google_example_of_edelman_ostrovsky_and_schwarz_costs_800_by_gsp_and_600_by_vcg():
    # Values 10, 4 and 2 a click, 200 and 100 clicks an hour; all bid their value.
    value, clicks = jnp.array([10.0, 4.0, 2.0]), jnp.array([200.0, 100.0])
    payments = {pricing: clicks * position_auction(value, clicks, pricing).price for pricing in ("gsp", "vcg")}
    assert payments["gsp"].tolist() == [800.0, 200.0]
    assert payments["vcg"].tolist() == [600.0, 200.0]


def test_the_lowest_envy_free_gsp_equilibrium_of_that_example_pays_the_vcg_revenue():
    # The second bidder bids 3: then it is indifferent between 100 clicks at 2 and 200 at 3 a click, and the first pays
    # 200 * 3 = 600 as by VCG.
    value, clicks = jnp.array([10.0, 4.0, 2.0]), jnp.array([200.0, 100.0])
    equilibrium = position_auction(jnp.array([10.0, 3.0, 2.0]), clicks, "gsp")
    assert (clicks * equilibrium.price).tolist() == [600.0, 200.0]
    assert clicks[1] * (value[1] - equilibrium.price[1]) == clicks[0] * (value[1] - equilibrium.price[0])


def test_gsp_bids_equal_to_the_vcg_price_of_the_slot_above_yield_the_vcg_prices_without_envy():
    # Edelman, Ostrovsky & Schwarz (2007): the bidder-optimal locally envy-free equilibrium.
    value = -jnp.sort(-jax.random.uniform(jax.random.key(5), (6, 200)), axis=0)
    exposure = jnp.array([1.0, 0.8, 0.48, 0.2])
    vcg = jit_position_auction(value, exposure, "vcg")
    bids = jnp.concatenate([value[:1], vcg.price, value[5:]])
    gsp = jit_position_auction(bids, exposure, "gsp")
    np.testing.assert_array_equal(gsp.bidder, vcg.bidder)
    np.testing.assert_allclose(gsp.price, vcg.price, rtol=1e-5)
    surplus = exposure[:, None] * (value[:, None] - gsp.price)  # of each bidder in each slot
    own = jnp.concatenate([surplus[jnp.arange(4), jnp.arange(4)], jnp.zeros((2, 200))])
    assert (surplus.max(axis=1) <= own + 1e-6).all()


def test_truth_is_a_best_reply_under_vcg_and_not_under_gsp():
    value = jax.random.uniform(jax.random.key(6), (5, 2_000))
    exposure, deviations = jnp.array([1.0, 0.8, 0.48]), jnp.linspace(0.05, 1.5, 30)

    def gains(pricing):
        """The most that bidder 0 gains by bidding a fixed multiple of its value."""
        surplus = [surplus_of_first(value.at[0].mul(factor), value, exposure, pricing) for factor in (1.0, *deviations)]
        return jnp.stack(surplus[1:]).max(axis=0) - surplus[0]

    assert (gains("vcg") <= 1e-6).all()
    assert gains("gsp").max() > 0.1


@functools.partial(jax.jit, static_argnames="pricing")
def surplus_of_first(bids, value, exposure, pricing):
    outcome = position_auction(bids, exposure, pricing)
    return jnp.where(outcome.bidder == 0, exposure[:, None] * (value[0] - outcome.price), 0.0).sum(axis=0)


def test_vcg_revenue_from_uniform_values_is_that_of_the_expected_order_statistics():
    # Each slot down to j pays (x_j - x_{j+1}) v_(j+1); the j-th highest of n uniform values has mean 1 - j / (n + 1).
    exposure, num_bidders = np.array([1.0, 0.8, 0.48]), 5
    outcome = jit_position_auction(uniform_values(num_bidders).T, jnp.asarray(exposure), "vcg")
    lost = exposure - np.append(exposure[1:], 0.0)
    expected = sum(lost[j] * (j + 1) * (num_bidders - (j + 1)) / (num_bidders + 1) for j in range(3))
    assert_mean((exposure[:, None] * np.asarray(outcome.price)).sum(axis=0), expected)


def test_a_soft_floor_below_which_bids_pay_themselves_makes_the_first_price_share_of_the_revenue():
    # Two truthful uniform bidders and soft floor s: the highest value v pays v below s, else max(s, rival), so the
    # revenue is 2 s^3 / 3 + s * 2 s (1 - s) + the second price where both exceed s: (1 - s)^2 (s + (1 - s) / 3).
    soft = 0.5
    expected = 2 * soft**3 / 3 + 2 * soft**2 * (1 - soft) + (1 - soft) ** 2 * (soft + (1 - soft) / 3)
    assert_mean(sealed_bid(uniform_values(2), "second_price", soft_floor=soft).price, expected)
