"""Winner, price and minimum bid to win of single-slot auctions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtb_envs.auctions.mechanisms import PRICINGS, clearing_price, sealed_bid, wins

AUCTIONS, BIDDERS = 8, 4

# Quarters, so that ties and bids at the reserve price are common and float32 is exact.
QUARTERS = st.integers(0, 40).map(lambda quarters: quarters / 4)
# XLA's CPU backend takes subnormal numbers for zero.
AMOUNTS = st.floats(0, 1e6, width=32, allow_subnormal=False)
BIDS = arrays(np.float32, (AUCTIONS, BIDDERS), elements=QUARTERS)
PRICES = arrays(np.float32, (AUCTIONS,), elements=QUARTERS)
WEIGHTS = arrays(np.float32, (AUCTIONS,), elements=st.floats(0, 1, width=32))

run_auctions = jax.jit(sealed_bid, static_argnames="pricing")


def oracle(bids, pricing, reserve_price, hybrid_weight, increment):
    """One auction by sorting: winner, price, minimum bids to win."""
    ranked = sorted((-bid, bidder) for bidder, bid in enumerate(bids) if bid > 0 and bid >= reserve_price)
    if not ranked:
        return -1, 0.0, [reserve_price] * len(bids)
    winning_bid, winner = -ranked[0][0], ranked[0][1]
    second = reserve_price
    told_winner = reserve_price
    if len(ranked) > 1:
        second = min(winning_bid, -ranked[1][0] + increment)
        told_winner = -ranked[1][0]
    weight = {"second_price": 0.0, "first_price": 1.0, "hybrid": hybrid_weight}[pricing]
    price = weight * winning_bid + (1 - weight) * second
    return winner, price, [told_winner if bidder == winner else price for bidder in range(len(bids))]


@pytest.mark.parametrize(
    ("pricing", "price", "min_bid_to_win"),
    [("second_price", 0.91, [0.90, 0.91, 0.91]), ("first_price", 1.00, [0.90, 1.00, 1.00])],
)
def test_the_openrtb_example_gives_the_published_prices(pricing, price, min_bid_to_win):
    result = sealed_bid(jnp.array([1.00, 0.90, 0.80]), pricing, reserve_price=0.85, increment=0.01)
    assert result.winner == 0
    np.testing.assert_allclose(result.price, price, rtol=1e-6)
    np.testing.assert_allclose(result.min_bid_to_win, min_bid_to_win, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    bids=BIDS,
    reserve=PRICES,
    weight=WEIGHTS,
    increment=st.sampled_from([0.0, 0.25, 3.0]),
    pricing=st.sampled_from(PRICINGS),
)
def test_the_running_fold_agrees_with_sorting_the_bids(bids, reserve, weight, increment, pricing):
    result = run_auctions(bids, pricing, reserve, weight, increment)
    for auction in range(AUCTIONS):
        winner, price, min_bid = oracle(
            bids[auction].tolist(), pricing, float(reserve[auction]), float(weight[auction]), increment
        )
        assert result.winner[auction] == winner
        np.testing.assert_allclose(result.price[auction], price, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(result.min_bid_to_win[auction], min_bid, rtol=1e-6, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    bids=arrays(np.float32, (AUCTIONS, BIDDERS), elements=AMOUNTS),
    reserve=arrays(np.float32, (AUCTIONS,), elements=AMOUNTS),
    weight=WEIGHTS,
    increment=st.floats(0, 100, width=32),
    pricing=st.sampled_from(PRICINGS),
)
def test_a_price_lies_between_the_reserve_price_and_the_winning_bid(bids, reserve, weight, increment, pricing):
    result = run_auctions(bids, pricing, reserve, weight, np.float32(increment))
    winning_bid = bids[np.arange(AUCTIONS), np.asarray(result.winner)]
    price, sold = np.asarray(result.price), np.asarray(result.winner) >= 0
    assert np.isfinite(price).all()
    assert np.isfinite(result.min_bid_to_win).all()
    assert (reserve[sold] <= price[sold]).all()
    assert (price[sold] <= winning_bid[sold]).all()


@settings(max_examples=60, deadline=None)
@given(low=PRICES, more=PRICES, competing=PRICES, reserve=PRICES)
def test_a_higher_bid_wins_wherever_a_lower_one_does(low, more, competing, reserve):
    won_low, won_high = wins(low, competing, reserve), wins(low + more, competing, reserve)
    assert (~won_low | won_high).all()


@settings(max_examples=60, deadline=None)
@given(bid=PRICES, competing=PRICES, reserve=PRICES, weight=WEIGHTS, pricing=st.sampled_from(PRICINGS))
def test_the_price_of_one_bidder_is_that_of_the_auction_against_the_competing_bid(
    bid, competing, reserve, weight, pricing
):
    # The competitor stands first, so it wins ties as in `wins`; a competitor below the reserve price sets no price.
    auction = run_auctions(np.stack([competing, bid], axis=-1), pricing, reserve, weight)
    won = np.asarray(wins(bid, competing, reserve))
    np.testing.assert_array_equal(won & (bid > 0), np.asarray(auction.winner) == 1)
    price = np.asarray(clearing_price(bid, competing, pricing, reserve, weight))
    np.testing.assert_allclose(price[won], np.asarray(auction.price)[won], rtol=1e-6)


@pytest.mark.parametrize("bidder", range(3))
def test_in_a_first_price_auction_just_over_the_minimum_bid_wins_and_just_under_it_loses(bidder):
    bids = jnp.array([1.0, 0.9, 0.8])
    to_win = sealed_bid(bids, "first_price", reserve_price=0.85).min_bid_to_win[bidder]
    assert sealed_bid(bids.at[bidder].set(to_win * 1.001), "first_price", 0.85).winner == bidder
    assert sealed_bid(bids.at[bidder].set(to_win * 0.999), "first_price", 0.85).winner != bidder


def test_a_tie_goes_to_the_lowest_index_and_is_lost_against_a_competing_bid():
    result = sealed_bid(jnp.array([1.0, 3.0, 3.0, 3.0]), "second_price")
    assert (int(result.winner), float(result.price)) == (1, 3.0)
    assert not wins(3.0, 3.0, 0.0)


def test_a_lone_bidder_pays_the_reserve_price_without_increment():
    result = sealed_bid(jnp.array([0.0, 5.0, 1.5]), "second_price", reserve_price=2.0, increment=0.5)
    assert (int(result.winner), float(result.price)) == (1, 2.0)
    assert result.min_bid_to_win.tolist() == [2.0, 2.0, 2.0]


def test_a_bid_equal_to_the_reserve_price_wins_and_one_below_does_not():
    assert wins(2.0, 0.0, 2.0)
    assert not wins(1.999, 0.0, 2.0)
    assert sealed_bid(jnp.array([2.0]), "first_price", reserve_price=2.0).winner == 0


@pytest.mark.parametrize("bids", [[0.0, 0.0], [-1.0, -2.0], [0.5, 0.9]])
def test_without_a_positive_bid_at_the_reserve_price_nobody_wins_and_nothing_is_paid(bids):
    result = sealed_bid(jnp.array(bids), "hybrid", reserve_price=1.0, hybrid_weight=0.5)
    assert (int(result.winner), float(result.price)) == (-1, 0.0)
    assert result.min_bid_to_win.tolist() == [1.0, 1.0]


def test_the_increment_never_lifts_the_price_over_the_winning_bid():
    assert sealed_bid(jnp.array([1.0, 0.75]), "second_price", increment=0.5).price == 1.0


@pytest.mark.parametrize(("weight", "price"), [(0.0, 4.0), (0.25, 5.0), (1.0, 8.0)])
def test_the_hybrid_price_mixes_first_and_second_price_by_its_weight(weight, price):
    assert clearing_price(8.0, 4.0, "hybrid", hybrid_weight=weight) == price


def test_integer_bids_meet_float_prices():
    bid, competing = jnp.array([3, 3, 2]), jnp.array([2.5, 3.0, 0.5])
    assert wins(bid, competing).tolist() == [True, False, True]
    assert clearing_price(bid, competing, "second_price").tolist() == [2.5, 3.0, 0.5]
    assert clearing_price(bid, competing, "first_price").tolist() == [3.0, 3.0, 2.0]


def test_permuted_bidders_permute_the_result():
    bids = jnp.array([0.3, 2.0, 1.1, 0.9])
    order = np.array([2, 0, 3, 1])
    result, permuted = sealed_bid(bids, "second_price"), sealed_bid(bids[order], "second_price")
    assert order[int(permuted.winner)] == result.winner
    assert permuted.price == result.price
    np.testing.assert_array_equal(permuted.min_bid_to_win, result.min_bid_to_win[order])


def test_any_batch_shape_gives_each_auction_alone():
    bids = jax.random.uniform(jax.random.key(3), (2, 3, BIDDERS))
    reserve = jnp.array([0.2, 0.5, 0.9])
    batch = run_auctions(bids, "hybrid", reserve, 0.3)
    assert batch.min_bid_to_win.shape == bids.shape
    for i, j in np.ndindex(2, 3):
        alone = run_auctions(bids[i, j], "hybrid", reserve[j], 0.3)
        for whole, single in zip(batch, alone, strict=True):
            np.testing.assert_array_equal(whole[i, j], single)


def test_an_unknown_pricing_is_named_with_what_is_allowed():
    with pytest.raises(ValueError, match=r"pricing must be one of 'second_price', .*, 'hybrid', got 'third_price'"):
        clearing_price(1.0, 0.5, "third_price")
    with pytest.raises(ValueError, match="pricing"):
        sealed_bid(jnp.ones(2), "vickrey")


@pytest.mark.parametrize("shape", [(), (3, 0)])
def test_bids_without_a_bidder_are_refused(shape):
    with pytest.raises(ValueError, match="bids: got shape"):
        sealed_bid(jnp.ones(shape), "second_price")
