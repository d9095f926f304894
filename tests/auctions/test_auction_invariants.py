"""What holds in every auction, found by running it again with one bid changed or with its bidders in another order."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtb_envs.auctions.mechanisms import PRICINGS, sealed_bid
from rtb_envs.auctions.position_auctions import SLOT_PRICINGS, position_auction

AUCTIONS, BIDDERS, SLOTS = 4, 5, 3
EXPOSURE = np.array([1.0, 0.8, 0.48], np.float32)
JUST = 1 / 64
"""Less than what lies between two bids that matter: those are quarters, times qualities of 1/2, 1 or 2 over another."""

QUARTERS = st.integers(0, 24).map(lambda quarters: quarters / 4)
BIDS = arrays(np.float32, (BIDDERS, AUCTIONS), elements=QUARTERS)
QUALITIES = arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.sampled_from([0.5, 1.0, 2.0]))
RESERVES = arrays(np.float32, (SLOTS, AUCTIONS), elements=QUARTERS).map(lambda rows: -np.sort(-rows, axis=0))
BIDDER = st.integers(0, BIDDERS - 1)

run_slots = jax.jit(position_auction, static_argnames="pricing")
run_one = jax.jit(sealed_bid, static_argnames="pricing")


def with_bid(bids, bidder, bid):
    changed = bids.copy()
    changed[bidder] = bid
    return changed


def slot_of(outcome, bidder):
    """The slot of ``bidder`` in each auction, the number of slots where it holds none."""
    holds = np.asarray(outcome.bidder) == bidder
    return np.where(holds.any(axis=0), holds.argmax(axis=0), SLOTS)


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, quality=QUALITIES, reserve=RESERVES, bidder=BIDDER)
def test_just_over_its_minimum_bid_to_win_a_bidder_gets_a_slot_and_just_under_it_none(bids, quality, reserve, bidder):
    def slot_for(bid):
        changed = with_bid(bids, bidder, bid)
        return slot_of(run_slots(changed, EXPOSURE, "gsp", quality=quality, reserve_price=reserve), bidder)

    outcome = run_slots(bids, EXPOSURE, "gsp", quality=quality, reserve_price=reserve)
    to_win = np.asarray(outcome.min_bid_to_win)[bidder]
    assert (slot_for(to_win + JUST) < SLOTS).all()
    assert (slot_for(to_win - JUST) == SLOTS).all()


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, reserve=RESERVES, pricing=st.sampled_from(["gsp", "vcg"]), bidder=BIDDER, bid=QUARTERS)
def test_what_a_slot_costs_by_gsp_and_vcg_depends_on_the_own_bid_only_through_the_slot(
    bids, reserve, pricing, bidder, bid
):
    outcomes = [
        run_slots(own, EXPOSURE, pricing, reserve_price=reserve[0]) for own in (bids, with_bid(bids, bidder, bid))
    ]
    slots = [slot_of(outcome, bidder) for outcome in outcomes]
    same = (slots[0] == slots[1]) & (slots[0] < SLOTS)
    price, other = (np.asarray(outcome.price)[slots[0][same], same] for outcome in outcomes)
    np.testing.assert_array_equal(price, other)


@settings(max_examples=40, deadline=None)
@given(bids=BIDS, reserve=RESERVES, order=st.permutations(range(BIDDERS)), pricing=st.sampled_from(SLOT_PRICINGS))
def test_permuted_bidders_with_their_tie_breakers_permute_the_outcome_ties_included(bids, reserve, order, pricing):
    order = np.array(order)
    luck = np.random.default_rng(0).permuted(np.tile(np.arange(BIDDERS, dtype=np.float32), (AUCTIONS, 1)), axis=1).T

    def run(order):
        return run_slots(
            bids[order], EXPOSURE, pricing, reserve_price=reserve[0], hybrid_weight=0.5, tie_breaker=luck[order]
        )

    outcome, permuted = run(np.arange(BIDDERS)), run(order)
    holder = np.asarray(permuted.bidder)
    np.testing.assert_array_equal(np.where(holder >= 0, order[holder], -1), outcome.bidder)
    np.testing.assert_array_equal(permuted.price, outcome.price)
    np.testing.assert_array_equal(permuted.min_bid_to_win, np.asarray(outcome.min_bid_to_win)[order])


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, reserve=RESERVES, bidder=BIDDER)
def test_a_first_price_bidder_wins_just_over_its_minimum_bid_to_win_and_not_just_under_it(bids, reserve, bidder):
    def winner(bid):
        return np.asarray(run_one(with_bid(bids, bidder, bid).T, "first_price", reserve[0]).winner)

    to_win = np.asarray(run_one(bids.T, "first_price", reserve[0]).min_bid_to_win)[:, bidder]
    assert (winner(to_win + JUST) == bidder).all()
    assert (winner(to_win - JUST) != bidder).all()


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, reserve=RESERVES)
def test_a_second_price_winner_would_have_won_with_any_bid_over_what_it_is_told_at_the_same_price(bids, reserve):
    # Losers are told the price by OpenRTB's convention, which is not what they would have had to bid.
    outcome = run_one(bids.T, "second_price", reserve[0])
    winner, rows = np.asarray(outcome.winner), np.arange(AUCTIONS)
    sold = winner >= 0
    told = np.asarray(outcome.min_bid_to_win)[rows, winner]
    for change, wins in ((JUST, True), (-JUST, False), (100.0, True)):
        changed = bids.copy()
        changed[winner, rows] = told + change
        again = run_one(changed.T, "second_price", reserve[0])
        assert ((np.asarray(again.winner) == winner) == wins)[sold].all()
        if wins:
            np.testing.assert_array_equal(np.asarray(again.price)[sold], np.asarray(outcome.price)[sold])


@pytest.mark.parametrize("pricing", PRICINGS)
@settings(max_examples=30, deadline=None)
@given(
    bids=arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.integers(1, 999).map(float), unique=True),
    order=st.permutations(range(BIDDERS)),
    reserve=RESERVES,
)
def test_permuted_bidders_permute_the_outcome_of_one_slot(pricing, bids, order, reserve):
    order = np.array(order)
    outcome, permuted = (run_one(rows.T, pricing, reserve[0], 0.5) for rows in (bids, bids[order]))
    winner = np.asarray(permuted.winner)
    np.testing.assert_array_equal(np.where(winner >= 0, order[winner], -1), outcome.winner)
    np.testing.assert_array_equal(permuted.price, outcome.price)
    np.testing.assert_array_equal(permuted.min_bid_to_win, np.asarray(outcome.min_bid_to_win)[:, order])
