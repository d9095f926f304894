"""Pacing equilibria against their definition, by hand, and against what theory promises of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.auctions.mechanisms import sealed_bid
from rtb_envs.auctions.pacing_equilibrium import PacingEquilibrium, first_price_pacing_equilibrium
from rtb_envs.auctions.welfare import envy, largest_liquid_welfare, liquid_welfare

MARKETS, BIDDERS, AUCTIONS = 40, 4, 8

solve_all = jax.jit(jax.vmap(first_price_pacing_equilibrium))


def equilibria(value, budget):
    """Of a batch of markets, in float64."""
    with jax.enable_x64(True):
        return PacingEquilibrium(*(np.asarray(part) for part in solve_all(jnp.asarray(value), jnp.asarray(budget))))


def equilibrium(value, budget):
    return PacingEquilibrium(*(part[0] for part in equilibria(np.array([value], float), np.array([budget], float))))


def random_markets(seed=0):
    """Values of which some are 0, and budgets from binding to idle."""
    rng = np.random.default_rng(seed)
    value = rng.uniform(0, 1, (MARKETS, BIDDERS, AUCTIONS)) * (rng.random((MARKETS, BIDDERS, AUCTIONS)) < 0.8)
    return value, rng.uniform(0.1, 3, (MARKETS, BIDDERS))


def test_in_random_markets_it_has_every_property_that_defines_the_equilibrium():
    value, budget = random_markets()
    found = equilibria(value, budget)
    bid = found.multiplier[..., None] * value
    highest = bid.max(axis=1, keepdims=True)
    spend = (found.share * found.price[:, None]).sum(axis=-1)
    assert ((found.share < 1e-6) | (bid > highest * (1 - 1e-6))).all()  # only the highest bids win
    np.testing.assert_allclose(found.price, highest[:, 0], rtol=1e-9)
    np.testing.assert_allclose(found.share.sum(axis=1), (highest[:, 0] > 0).astype(float), rtol=1e-9)
    assert (spend <= budget * (1 + 1e-6)).all()
    paced = found.multiplier < 1 - 1e-6
    np.testing.assert_allclose(spend[paced], budget[paced], rtol=1e-6)  # nobody paces without need
    assert 0.2 < paced.mean() < 0.8


def test_two_bidders_who_each_win_an_auction_are_paced_to_their_budgets():
    # Bids 10 m1 and 10 m2 cost .5 and 1, and the rival's bids m2 and m1 on the same auctions are lower.
    found = equilibrium([[10, 1], [1, 10]], [0.5, 1])
    np.testing.assert_allclose(found.multiplier, [0.05, 0.1], rtol=1e-9)
    np.testing.assert_allclose(found.price, [0.5, 1], rtol=1e-9)
    np.testing.assert_allclose(found.share, np.eye(2), atol=1e-9)


def test_a_tie_is_split_so_that_the_budget_is_spent_and_revenue_is_little_more_than_half_of_the_best():
    # Bidder 1 ties for the first auction at 20 m = 1 and pays m = .05 for the second, which leaves .95 for the first.
    # The best allocation gives it the second alone, which is worth its budget, and the first to the other.
    value, budget = np.array([[20.0, 1.0], [1.0, 0.0]]), np.array([1.0, 100.0])
    found = equilibrium(value, budget)
    np.testing.assert_allclose(found.multiplier, [0.05, 1], rtol=1e-5)
    np.testing.assert_allclose(found.share, [[0.95, 1], [0.05, 0]], rtol=1e-5, atol=1e-6)
    assert found.price.sum() == pytest.approx(1.05, rel=1e-6)
    assert largest_liquid_welfare(value, budget) == pytest.approx(2)


def test_its_revenue_and_its_liquid_welfare_are_at_least_half_of_the_largest_liquid_welfare():
    # By duality: the multipliers m are feasible in the dual program, where they cost revenue + sum of budget * (1 - m);
    # whoever has m < 1 spends its budget, so that this is at most twice the revenue.
    value, budget = random_markets(1)
    found = equilibria(value, budget)
    revenue = found.price.sum(axis=-1)
    welfare = liquid_welfare((found.share * value).sum(axis=-1), budget)
    best = np.array([largest_liquid_welfare(*market) for market in zip(value, budget, strict=True)])
    assert (revenue <= welfare * (1 + 1e-6)).all()
    assert (welfare <= best * (1 + 1e-6)).all()
    assert (best / 2 <= revenue).all()
    assert (revenue < 0.99 * best).any()


def test_in_equilibrium_nobody_envies_what_its_budget_could_have_paid_for():
    value, budget = random_markets(4)
    found = equilibria(value, budget)
    payment = (found.share * found.price[:, None]).sum(axis=-1)
    largest = [envy(*market).max() for market in zip(value, found.share, payment, budget * (1 + 1e-6), strict=True)]
    assert max(largest) < 1e-5
    without_budgets = [envy(*market).max() for market in zip(value, found.share, payment, strict=True)]
    assert max(without_budgets) > 0.1


def test_more_budget_or_one_more_bidder_never_lowers_the_revenue():
    # Conitzer et al. (2022): revenue is monotone, unlike under second price.
    value, budget = random_markets(2)
    revenue = equilibria(value, budget).price.sum(axis=-1)
    richer, fewer = budget.copy(), value.copy()
    richer[:, 0] *= 1.5
    fewer[:, 0] = 0
    assert (equilibria(value, richer).price.sum(axis=-1) >= revenue * (1 - 1e-6)).all()
    assert (equilibria(fewer, budget).price.sum(axis=-1) <= revenue * (1 + 1e-6)).all()


def test_float32_is_close_to_float64_and_nothing_that_nobody_wants_is_sold():
    value, budget = random_markets(3)
    value[:, :, 0] = 0
    exact = equilibria(value, budget)
    single = solve_all(jnp.asarray(value, jnp.float32), jnp.asarray(budget, jnp.float32))
    np.testing.assert_allclose(single.multiplier, exact.multiplier, rtol=1e-4)
    assert not np.asarray(single.share)[:, :, 0].any()
    assert not np.asarray(single.price)[:, 0].any()


@pytest.mark.parametrize(
    ("multiplier", "share", "spend"),
    [
        # Each wins its auction at the rival's paced bid: .5, which bidder 1 has, and 1, which bidder 2 has.
        ((1.0, 0.5), np.eye(2), (0.5, 1.0)),
        # Both bid 1 for the first auction; bidder 1 can pay half of it. Bidder 2 adds .1 for the second: .6, unpaced.
        ((0.1, 1.0), np.array([[0.5, 0.0], [0.5, 1.0]]), (0.5, 0.6)),
    ],
)
def test_second_price_has_two_pacing_equilibria_in_one_market_with_different_revenues(multiplier, share, spend):
    value, budget = np.array([[10.0, 1.0], [1.0, 10.0]]), np.array([0.5, 1.0])
    bid = np.array(multiplier)[:, None] * value
    auction = sealed_bid(jnp.asarray(bid.T), "second_price")
    assert (bid[share > 0] == np.broadcast_to(bid.max(axis=0), bid.shape)[share > 0]).all()
    paid = (share * np.asarray(auction.price)).sum(axis=1)
    np.testing.assert_allclose(paid, spend, rtol=1e-6)
    assert ((paid < budget * (1 + 1e-6)) & ((np.array(multiplier) == 1) | np.isclose(paid, budget))).all()
