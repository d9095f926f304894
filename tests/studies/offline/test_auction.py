"""Auction-aware simulation: the rivals' laws, GSP from one seat, sums over rounds, monotonicity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.auctions.position_auctions import position_auction
from rtb_envs.random import Stream
from rtb_envs.studies.offline import auction
from rtb_envs.studies.offline.auction import (
    MONEY_UNITS,
    NUM_SLOTS,
    RESERVE_PRICE,
    best_rivals,
    own_bid,
    own_price,
    quality_of,
    rival_bids,
    simulate,
)

NUM_CREATIVES, ROUNDS = 8, 3 * auction.BLOCK_ROUNDS + 100
CTR = np.array([0.001, 0.004, 0.01, 0.018, 0.02, 0.025, 0.04, 0.3])


@pytest.fixture(scope="module")
def numbers():
    return np.arange(100, 100 + NUM_CREATIVES, dtype=np.uint32)


@pytest.fixture(scope="module")
def totals(numbers):
    return simulate(own_bid(quality_of(CTR)), CTR, numbers, ROUNDS, seed=3)


@pytest.fixture(scope="module")
def rivals():
    draw = jax.jit(rival_bids)
    return np.asarray(draw(Stream.from_key(jax.random.key(5)), jnp.arange(200_000, dtype=jnp.uint32))) / MONEY_UNITS


def test_quality_and_bid_are_those_of_the_model():
    assert quality_of(np.array([0.0, 0.01, 0.025, 0.5])) == pytest.approx([0.5, 0.9, 1.5, 1.5])
    assert own_bid(np.array([0.5, 0.9, 1.5])) == pytest.approx([2.0, 3.6, 5.8])
    assert own_bid(np.array([0.01, 1.5]), 1.2) == pytest.approx([0.24, 6.0])


def test_a_truthful_rivals_bids_have_the_distribution_of_the_model(rivals):
    random = np.random.default_rng(0)
    num = rivals.shape[1]
    ctr = np.clip(random.lognormal(np.log(0.02), 0.6, num), 0.001, 0.05)
    quality = 0.5 + 2 * np.minimum(0.5, ctr / 0.05)
    truthful = np.minimum(6.0, 10 * quality * 0.3 * np.exp(0.6 * random.standard_normal(num)))
    shading = np.clip(random.normal([[0.6], [0.7], [0.5]], 0.1, (3, num)), 0, 1)
    shaded = np.minimum(6.0, 10 * quality * 0.3 * np.exp(0.6 * random.standard_normal((3, num))) * shading)
    expected = np.concatenate([np.broadcast_to(truthful, (3, num)), shaded])
    # Means of 200,000 bids of standard deviation below 1.9: 5 standard errors of the difference, six rivals.
    assert np.abs(rivals.mean(axis=1) - expected.mean(axis=1)).max() < 5 * 1.9 * np.sqrt(2 / num)
    for level in (0.1, 0.5, 0.9):
        assert np.quantile(rivals, level, axis=1) == pytest.approx(np.quantile(expected, level, axis=1), rel=0.02)


def test_price_and_slot_are_those_of_the_position_auction(rivals):
    some = np.round(rivals[:, :3000] * MONEY_UNITS).astype(np.float32)
    bids = np.array([0.4, 0.5, 2.9, 6.0], np.float32) * MONEY_UNITS
    price = np.asarray(own_price(jnp.asarray(bids)[:, None], best_rivals(jnp.asarray(some))))
    for bid, of_bid in zip(bids, price, strict=True):
        # Last of the bidders, so that ties are lost.
        everybody = jnp.concatenate([some, np.full((1, some.shape[1]), bid, np.float32)])
        outcome = position_auction(everybody, np.ones(NUM_SLOTS), "gsp", reserve_price=RESERVE_PRICE * MONEY_UNITS)
        ours = np.asarray(outcome.bidder) == len(some)
        assert np.array_equal(of_bid, np.where(ours, np.asarray(outcome.price), 0.0).sum(axis=0))


def test_a_tie_with_the_fourth_rival_is_lost():
    rivals = jnp.array([[6.0], [5.0], [4.0], [3.0]]) * MONEY_UNITS
    prices = own_price(jnp.array([[3.0], [3.5], [4.0]]) * MONEY_UNITS, rivals)[:, 0] / MONEY_UNITS
    assert prices.tolist() == [0.0, 3.0, 3.0]


def test_sums_over_rounds_are_those_of_single_rounds(numbers, totals):
    """An oracle that settles all rounds at once in NumPy, on the same rivals and click draws."""
    stream = Stream.from_key(jax.random.key(3))
    rounds = jnp.arange(ROUNDS, dtype=jnp.uint32)
    best = np.sort(np.asarray(jax.jit(rival_bids)(stream.site(1), rounds)).astype(np.int64), axis=0)
    for creative in range(NUM_CREATIVES):
        bid = round(float(own_bid(quality_of(CTR))[creative]) * MONEY_UNITS)
        below = np.where(best < bid, best, 0).max(axis=0)
        won = (best >= bid).sum(axis=0) < NUM_SLOTS
        price = np.maximum(below, RESERVE_PRICE * MONEY_UNITS)
        uniform = np.asarray(stream.site(2).step(jnp.uint32(numbers[creative])).uniform(rounds))
        clicked = won & (uniform < np.float32(CTR[creative]))
        assert totals.wins[creative] == won.sum()
        assert totals.clicks[creative] == clicked.sum()
        assert totals.cost[creative] == price[clicked].sum() / MONEY_UNITS
        assert totals.price_sum[creative] == price[won].sum() / MONEY_UNITS


def test_a_creative_has_the_same_figures_alone_as_among_others(numbers, totals):
    alone = simulate(own_bid(quality_of(CTR[2:3])), CTR[2:3], numbers[2:3], ROUNDS, seed=3)
    assert (alone.wins[0], alone.clicks[0], alone.cost[0]) == (totals.wins[2], totals.clicks[2], totals.cost[2])


def test_prices_lie_between_the_reserve_price_and_the_bid(totals):
    clicked = totals.clicks > 0
    for price in (totals.mean_price, totals.cost_per_click[clicked]):
        assert (price >= RESERVE_PRICE).all()
    assert (totals.mean_price <= own_bid(quality_of(CTR))).all()


def test_below_the_cap_the_win_rate_is_strictly_inside_zero_and_one_and_strictly_increases_in_the_bid():
    qualities = np.linspace(0.5, 1.5, 21)
    bids = np.unique(np.concatenate([own_bid(qualities, factor) for factor in (0.8, 1.0, 1.2)]))
    bids = bids[bids < auction.BID_CAP]
    num = len(bids)
    result = simulate(bids, np.full(num, 0.02), np.zeros(num, np.uint32), 102_400, seed=1)
    assert (result.wins > 0).all()
    assert (result.wins < result.num_rounds).all()
    # Bids a few ten-thousandths of a dollar apart may win the same rounds.
    apart = np.diff(bids) > 0.01
    assert (np.diff(result.wins) >= 0).all()
    assert (np.diff(result.wins)[apart] > 0).all()
    assert apart.sum() > 40


def test_a_bid_below_the_reserve_price_wins_nothing():
    result = simulate(np.array([0.49]), np.array([0.02]), np.zeros(1, np.uint32), 4096, seed=1)
    assert result.wins.tolist() == [0]
    assert np.isnan(result.cost_per_click).all()
    assert np.isnan(result.mean_price).all()


@pytest.mark.parametrize(("rounds", "bid"), [(0, 1.0), (10**9 + 1, 1.0), (10, 6.5), (10, float("nan")), (10, -1.0)])
def test_impossible_rounds_and_bids_are_refused(rounds, bid):
    with pytest.raises(ValueError, match=r"num_rounds|bids"):
        simulate(np.array([bid]), np.array([0.02]), np.zeros(1, np.uint32), rounds, seed=0)
