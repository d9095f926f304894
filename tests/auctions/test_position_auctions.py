"""Who holds which slot, what it costs, and what would have won: auctions of several slots."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtb_envs.auctions.mechanisms import sealed_bid
from rtb_envs.auctions.position_auctions import SLOT_PRICINGS, position_auction

AUCTIONS, BIDDERS, SLOTS = 4, 5, 3
EXPOSURE = np.array([1.0, 0.8, 0.48], np.float32)

# Quarters and powers of two, so that ties and bids at the reserve price are common and float32 is exact.
QUARTERS = st.integers(0, 24).map(lambda quarters: quarters / 4)
BIDS = arrays(np.float32, (BIDDERS, AUCTIONS), elements=QUARTERS)
QUALITIES = arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.sampled_from([0.5, 1.0, 2.0]))
ELIGIBLE = arrays(bool, (BIDDERS, AUCTIONS), elements=st.sampled_from([True, True, False]))
RESERVES = arrays(np.float32, (SLOTS, AUCTIONS), elements=QUARTERS).map(lambda rows: -np.sort(-rows, axis=0))
WEIGHTS = arrays(np.float32, (AUCTIONS,), elements=st.floats(0, 1, width=32))
# XLA's CPU backend takes subnormal numbers for zero.
AMOUNTS = st.floats(0, 1e6, width=32, allow_subnormal=False)

run_auctions = jax.jit(position_auction, static_argnames="pricing")
run_single_slot = jax.jit(sealed_bid, static_argnames="pricing")


def ranked(bids, quality, reserve, eligible):
    """(bidder, score) by score, those who take part."""
    order = sorted((-bid * q, i) for i, (bid, q) in enumerate(zip(bids, quality, strict=True)))
    return [(i, -score) for score, i in order if bids[i] > 0 and bids[i] >= reserve[-1] and eligible[i]]


def holders_of(bids, quality, reserve, eligible):
    """The bidder of each slot, -1 for none, by placing one after the other."""
    holders, slot = [-1] * len(reserve), 0
    for bidder, _ in ranked(bids, quality, reserve, eligible):
        while slot < len(reserve) and bids[bidder] < reserve[slot]:
            slot += 1
        if slot == len(reserve):
            break
        holders[slot] = bidder
        slot += 1
    return holders


def gsp_price(bidder, slot, bids, quality, reserve, eligible, increment):
    ranking = ranked(bids, quality, reserve, eligible)
    after = [i for i, _ in ranking].index(bidder) + 1
    next_bid = ranking[after][1] / quality[bidder] + increment if after < len(ranking) else 0.0
    return min(bids[bidder], max(next_bid, reserve[slot]))


def exposure_at(bid, bidder, bids, quality, reserve, eligible):
    """The exposure that the bidder would get by another bid."""
    holders = holders_of([*bids[:bidder], bid, *bids[bidder + 1 :]], quality, reserve, eligible)
    return float(EXPOSURE[holders.index(bidder)]) if bidder in holders else 0.0


def critical_bids(bidder, bids, quality, reserve):
    """Every bid at which what the bidder gets can change."""
    return sorted({0.0, *reserve, *(bid * q / quality[bidder] for bid, q in zip(bids, quality, strict=True))})


def truthful_price(bidder, bids, quality, reserve, eligible):
    """Myerson's payment rule per unit: the own bid less the exposure gained by lower bids, integrated, over the own."""
    steps = [bid for bid in critical_bids(bidder, bids, quality, reserve) if bid < bids[bidder]] + [bids[bidder]]
    gained = sum(
        (high - low) * exposure_at((low + high) / 2, bidder, bids, quality, reserve, eligible)
        for low, high in itertools.pairwise(steps)
    )
    return bids[bidder] - gained / exposure_at(bids[bidder], bidder, bids, quality, reserve, eligible)


@settings(max_examples=80, deadline=None)
@given(
    bids=BIDS,
    quality=QUALITIES,
    reserve=RESERVES,
    increment=st.sampled_from([0.0, 0.25]),
    weight=WEIGHTS,
    eligible=ELIGIBLE,
    pricing=st.sampled_from(SLOT_PRICINGS),
)
def test_holders_and_prices_are_those_of_placing_the_sorted_bidders_one_by_one(
    bids, quality, reserve, increment, weight, eligible, pricing
):
    if pricing == "vcg":
        reserve = np.broadcast_to(reserve[0], reserve.shape)
    outcome = run_auctions(
        bids,
        EXPOSURE,
        pricing,
        quality=quality,
        reserve_price=reserve[0] if pricing == "vcg" else reserve,
        increment=increment,
        hybrid_weight=weight,
        eligible=eligible,
    )
    for auction in range(AUCTIONS):
        market = [array[:, auction].tolist() for array in (bids, quality, reserve, eligible)]
        holders = holders_of(*market)
        assert outcome.bidder[:, auction].tolist() == holders
        share = {"gsp": 0.0, "vcg": 0.0, "first_price": 1.0, "hybrid": float(weight[auction])}[pricing]
        for slot, bidder in enumerate(holders):
            if bidder < 0:
                assert outcome.price[slot, auction] == 0
            else:
                low = (
                    truthful_price(bidder, *market) if pricing == "vcg" else gsp_price(bidder, slot, *market, increment)
                )
                expected = share * market[0][bidder] + (1 - share) * low
                np.testing.assert_allclose(outcome.price[slot, auction], expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, quality=QUALITIES, reserve=RESERVES)
def test_the_minimum_bid_to_win_is_the_lowest_bid_over_which_a_slot_is_won(bids, quality, reserve):
    outcome = run_auctions(bids, EXPOSURE, "gsp", quality=quality, reserve_price=reserve)
    for auction, bidder in np.ndindex(AUCTIONS, BIDDERS):
        market = [array[:, auction].tolist() for array in (bids, quality, reserve)]
        winning = [
            bid
            for bid in critical_bids(bidder, *market)
            if exposure_at(bid + 1e-3, bidder, *market, [True] * BIDDERS) > 0
        ]
        assert outcome.min_bid_to_win[bidder, auction] == min(winning)


def test_vcg_prices_are_the_welfare_that_the_others_lose_by_the_bidder_being_there():
    rng = np.random.default_rng(4)
    bids, quality = rng.uniform(0.1, 2, (2, BIDDERS, 20))
    outcome = run_auctions(bids, EXPOSURE, "vcg", quality=quality)
    for auction in range(bids.shape[1]):
        value = (bids * quality)[:, auction]
        welfare, best = best_assignment(value)
        assert outcome.bidder[:, auction].tolist() == list(best)
        for slot, bidder in enumerate(best):
            without, _ = best_assignment(np.delete(value, bidder))
            harm = without - (welfare - EXPOSURE[slot] * value[bidder])
            paid = EXPOSURE[slot] * quality[bidder, auction] * outcome.price[slot, auction]
            np.testing.assert_allclose(paid, harm, rtol=1e-5, atol=1e-6)


def best_assignment(value):
    """The largest welfare over all assignments of slots to bidders, and the bidder of each slot."""
    return max((EXPOSURE @ value[list(chosen)], chosen) for chosen in itertools.permutations(range(len(value)), SLOTS))


@settings(max_examples=60, deadline=None)
@given(
    bids=arrays(np.float32, (BIDDERS, AUCTIONS), elements=AMOUNTS),
    quality=arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.floats(2**-20, 1024, width=32)),
    reserve=arrays(np.float32, (SLOTS, AUCTIONS), elements=AMOUNTS).map(lambda rows: -np.sort(-rows, axis=0)),
    soft_floor=arrays(np.float32, (AUCTIONS,), elements=AMOUNTS),
    increment=st.floats(0, 100, width=32, allow_subnormal=False),
    weight=WEIGHTS,
    pricing=st.sampled_from(SLOT_PRICINGS),
)
def test_every_price_lies_between_the_slots_reserve_price_and_the_holders_bid(
    bids, quality, reserve, soft_floor, increment, weight, pricing
):
    if pricing == "vcg":
        reserve = np.broadcast_to(reserve[0], reserve.shape)
    outcome = run_auctions(
        bids,
        EXPOSURE,
        pricing,
        quality=quality,
        reserve_price=reserve[0] if pricing == "vcg" else reserve,
        soft_floor=soft_floor,
        increment=np.float32(increment),
        hybrid_weight=weight,
    )
    holder, price = np.asarray(outcome.bidder), np.asarray(outcome.price)
    own_bid, sold = np.take_along_axis(bids, np.maximum(holder, 0), axis=0), holder >= 0
    assert np.isfinite(price).all()
    assert np.isfinite(outcome.min_bid_to_win).all()
    assert (reserve[sold] <= price[sold]).all()
    assert (price[sold] <= own_bid[sold]).all()
    assert (price[~sold] == 0).all()


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, quality=QUALITIES, reserve=RESERVES)
def test_a_vcg_price_is_at_most_the_gsp_price_of_the_same_bids(bids, quality, reserve):
    uniform_reserve = reserve[0]
    gsp, vcg = (
        run_auctions(bids, EXPOSURE, pricing, quality=quality, reserve_price=uniform_reserve)
        for pricing in ("gsp", "vcg")
    )
    assert (np.asarray(vcg.price) <= np.asarray(gsp.price) * (1 + 1e-6)).all()


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, quality=QUALITIES, reserve=RESERVES, more=QUARTERS, bidder=st.integers(0, BIDDERS - 1))
def test_a_higher_bid_never_holds_a_worse_slot(bids, quality, reserve, more, bidder):
    raised = bids.copy()
    raised[bidder] += more
    slots = []
    for own in (bids, raised):
        holder = np.asarray(run_auctions(own, EXPOSURE, "gsp", quality=quality, reserve_price=reserve).bidder)
        slots.append(np.where((holder == bidder).any(axis=0), (holder == bidder).argmax(axis=0), SLOTS))
    assert (slots[1] <= slots[0]).all()


@settings(max_examples=30, deadline=None)
@given(
    bids=arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.integers(1, 999).map(float), unique=True),
    order=st.permutations(range(BIDDERS)),
    pricing=st.sampled_from(SLOT_PRICINGS),
)
def test_permuted_bidders_permute_the_outcome(bids, order, pricing):
    order = np.array(order)
    outcome, permuted = (run_auctions(array, EXPOSURE, pricing, hybrid_weight=0.5) for array in (bids, bids[order]))
    np.testing.assert_array_equal(order[np.asarray(permuted.bidder)], outcome.bidder)
    np.testing.assert_array_equal(permuted.price, outcome.price)
    np.testing.assert_array_equal(permuted.min_bid_to_win, np.asarray(outcome.min_bid_to_win)[order])


@settings(max_examples=60, deadline=None)
@given(
    bids=BIDS,
    reserve=RESERVES,
    weight=WEIGHTS,
    pricing=st.sampled_from([("gsp", "second_price"), ("vcg", "second_price"), ("first_price",) * 2, ("hybrid",) * 2]),
)
def test_one_slot_is_the_sealed_bid_auction(bids, reserve, weight, pricing):
    of_slots, of_one = pricing
    floors = {"reserve_price": reserve[-1], "soft_floor": reserve[0], "hybrid_weight": weight}
    outcome = run_auctions(bids, EXPOSURE[:1], of_slots, **floors)
    single = run_single_slot(bids.T, of_one, **floors)
    np.testing.assert_array_equal(outcome.bidder[0], single.winner)
    np.testing.assert_allclose(outcome.price[0], single.price, rtol=1e-6)
    told_winner = np.asarray(outcome.min_bid_to_win).T[np.arange(AUCTIONS), np.asarray(single.winner)]
    expected = np.asarray(single.min_bid_to_win)[np.arange(AUCTIONS), np.asarray(single.winner)]
    sold = np.asarray(single.winner) >= 0
    np.testing.assert_array_equal(told_winner[sold], expected[sold])


@settings(max_examples=60, deadline=None)
@given(bids=BIDS, reserve=RESERVES)
def test_a_soft_floor_at_the_reserve_price_is_second_price_and_one_over_all_bids_first_price(bids, reserve):
    def price(pricing, soft_floor=None):
        return run_auctions(bids, EXPOSURE, pricing, reserve_price=reserve, soft_floor=soft_floor).price

    np.testing.assert_array_equal(price("gsp", reserve), price("gsp"))
    np.testing.assert_array_equal(price("gsp", np.full_like(reserve, 100.0)), price("first_price"))


def test_between_hard_and_soft_floor_the_bid_is_paid_and_above_it_no_less_than_the_soft_floor():
    def price(bid, rival):
        return float(
            run_auctions(jnp.array([bid, rival]), jnp.array([1.0]), "gsp", reserve_price=1.0, soft_floor=2.0).price[0]
        )

    assert [price(1.5, 1.2), price(3.0, 1.2), price(3.0, 2.5), price(2.0, 0.5)] == [1.5, 2.0, 2.5, 2.0]


@pytest.mark.parametrize(("pricing", "price"), [("gsp", 0.91), ("vcg", 0.90), ("first_price", 1.00), ("hybrid", 0.955)])
def test_the_openrtb_example_is_a_position_auction_of_one_slot(pricing, price):
    bids = jnp.array([1.00, 0.90, 0.80])
    outcome = run_auctions(bids, jnp.array([1.0]), pricing, reserve_price=0.85, increment=0.01, hybrid_weight=0.5)
    assert outcome.bidder.tolist() == [0]
    np.testing.assert_allclose(outcome.price, [price], rtol=1e-6)
    np.testing.assert_allclose(outcome.min_bid_to_win, [0.90, 1.00, 1.00], rtol=1e-6)


def test_ranking_by_expected_revenue_lets_a_likely_click_win_at_a_lower_price_per_click():
    # Click probabilities 10 % and 50 %: eCPM .2 and .5; the winner pays .2 / .5 a click, the other the reserve price.
    outcome = run_auctions(
        jnp.array([2.0, 1.0]), jnp.array([1.0, 0.5]), "gsp", quality=jnp.array([0.1, 0.5]), reserve_price=0.25
    )
    assert outcome.bidder.tolist() == [1, 0]
    np.testing.assert_allclose(outcome.price, [0.4, 0.25], rtol=1e-6)


def test_a_slot_whose_reserve_price_is_not_reached_stays_empty_and_its_bidder_takes_the_next():
    reserve = jnp.array([5.0, 2.0, 1.0])
    outcome = run_auctions(jnp.array([3.0, 2.5, 0.5]), jnp.array([1.0, 0.8, 0.5]), "gsp", reserve_price=reserve)
    assert outcome.bidder.tolist() == [-1, 0, 1]
    assert outcome.price.tolist() == [0.0, 2.5, 1.0]


def test_more_slots_than_bidders_leave_slots_empty_and_nan_bids_abstain():
    outcome = run_auctions(jnp.array([2.0, jnp.nan, 1.0]), jnp.array([1.0, 0.5, 0.25, 0.1]), "gsp", reserve_price=0.5)
    assert outcome.bidder.tolist() == [0, 2, -1, -1]
    assert outcome.price.tolist() == [1.0, 0.5, 0.0, 0.0]
    assert outcome.min_bid_to_win.tolist() == [0.5, 0.5, 0.5]


def test_equal_bids_go_to_the_larger_tie_breaker():
    outcome = run_auctions(jnp.ones(3), jnp.array([1.0, 0.5]), "gsp", tie_breaker=jnp.array([0.2, 0.1, 0.9]))
    assert outcome.bidder.tolist() == [2, 0]


@pytest.mark.parametrize("pricing", SLOT_PRICINGS)
def test_any_batch_shape_gives_each_auction_alone(pricing):
    bids = jax.random.uniform(jax.random.key(3), (BIDDERS, 2, 3))
    curves = jnp.array([[1.0, 1.0, 1.0], [0.9, 0.5, 0.1]])
    reserve = jnp.array([[0.1], [0.3]])
    options = {"hybrid_weight": 0.5, "increment": 0.01}
    batch = run_auctions(bids, curves[:, None], pricing, reserve_price=reserve, **options)
    for i, j in np.ndindex(2, 3):
        alone = run_auctions(bids[:, i, j], curves[:, j], pricing, reserve_price=reserve[i, 0], **options)
        for field, expected in zip(batch, alone, strict=True):
            np.testing.assert_allclose(field[:, i, j], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bids": 1.0}, r"bids: got shape \(\)"),
        ({"bids": np.ones((0, 4))}, r"bids: got shape \(0, 4\), the first axis must hold at least one bidder"),
        ({"exposure": 1.0}, r"exposure: got shape \(\), the first axis must hold 1 to 63 slots"),
        ({"exposure": np.ones(0)}, r"exposure: got shape \(0,\)"),
        ({"exposure": np.ones(64)}, r"exposure: got shape \(64,\)"),
        ({"exposure": [0.5, 1.0]}, r"exposure: got \[0.5, 1.0\], must not increase from slot to slot"),
        ({"exposure": [0.5, np.nan]}, r"exposure must hold finite numbers in \(0, inf\], got nan at \(1,\)"),
        ({"exposure": [1.0, 0.0]}, r"exposure must hold finite numbers in \(0, inf\], got 0.0 at \(1,\)"),
        ({"exposure": np.ones((2, 3))}, r"exposure: got shape \(2, 3\), must broadcast against the batch shape \(4,\)"),
        ({"exposure": np.ones((2, 1, 4))}, r"exposure: got shape \(2, 1, 4\)"),
        ({"pricing": "third_price"}, "pricing must be one of 'gsp', 'vcg', 'first_price', 'hybrid', got 'third_price'"),
        ({"reserve_price": np.ones((3, 4))}, r"reserve_price: got shape \(3, 4\), the first axis must hold 2 slots"),
        ({"reserve_price": np.ones(2)}, r"reserve_price: got shape \(1, 2\), must broadcast against"),
        ({"reserve_price": [[1.0], [2.0]]}, "reserve_price: got .*, must not increase from slot to slot"),
        ({"reserve_price": np.ones((2, 1)), "pricing": "vcg"}, r"reserve_price: got shape \(2, 1\), vcg takes one"),
        ({"soft_floor": np.ones((2, 3))}, r"soft_floor: got shape \(2, 3\)"),
        ({"quality": np.ones(3)}, r"quality: got shape \(3,\), must broadcast to \(3, 4\)"),
        ({"eligible": np.ones((2, 4), bool)}, r"eligible: got shape \(2, 4\), must broadcast to \(3, 4\)"),
        ({"increment": np.ones(3)}, r"increment: got shape \(3,\), must broadcast to \(4,\)"),
        ({"hybrid_weight": np.ones((3, 4))}, r"hybrid_weight: got shape \(3, 4\), must broadcast to \(4,\)"),
        ({"tie_breaker": np.ones(4)}, r"tie_breaker: got shape \(4,\), must be \(3, 4\)"),
    ],
)
def test_impossible_arguments_are_refused_with_their_name_before_anything_runs(changes, message):
    arguments = {"bids": np.ones((3, 4)), "exposure": np.array([1.0, 0.5]), "pricing": "gsp", **changes}
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: position_auction(**arguments))
