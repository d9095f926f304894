"""Who holds which slot and what it costs: generalised second price, first price and hybrid auctions."""

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtb_envs.auctions.position_auctions import SLOT_PRICINGS, position_auction

AUCTIONS, BIDDERS, SLOTS = 4, 5, 3
EXPOSURE = np.array([1.0, 0.8, 0.48], np.float32)

# Quarters times powers of two, so that ties and bids at the reserve price are common and float32 is exact.
QUARTERS = st.integers(0, 24).map(lambda quarters: quarters / 4)
BIDS = arrays(np.float32, (BIDDERS, AUCTIONS), elements=QUARTERS)
QUALITIES = arrays(np.float32, (BIDDERS, AUCTIONS), elements=st.sampled_from([0.5, 1.0, 2.0]))
ELIGIBLE = arrays(bool, (BIDDERS, AUCTIONS), elements=st.sampled_from([True, True, False]))
RESERVES = arrays(np.float32, (SLOTS, AUCTIONS), elements=QUARTERS).map(lambda rows: -np.sort(-rows, axis=0))
WEIGHTS = arrays(np.float32, (AUCTIONS,), elements=st.floats(0, 1, width=32))

run_auctions = jax.jit(position_auction, static_argnames="pricing")


def oracle(bids, quality, reserve, increment, weight, eligible, pricing):
    """Holders and prices of one auction by sorting and placing one bidder after the other."""
    ranking = sorted(
        (-bid * quality[i], i) for i, bid in enumerate(bids) if bid > 0 and bid >= reserve[-1] and eligible[i]
    )
    holders, prices = [-1] * len(reserve), [0.0] * len(reserve)
    slot = 0
    for place, (_, bidder) in enumerate(ranking):
        while slot < len(reserve) and bids[bidder] < reserve[slot]:
            slot += 1
        if slot == len(reserve):
            break
        next_bid = reserve[slot]
        if place + 1 < len(ranking):
            next_bid = -ranking[place + 1][0] / quality[bidder] + increment
        gsp = min(bids[bidder], max(next_bid, reserve[slot]))
        share = {"gsp": 0.0, "first_price": 1.0, "hybrid": weight}[pricing]
        holders[slot], prices[slot] = bidder, share * bids[bidder] + (1 - share) * gsp
        slot += 1
    return holders, prices


@settings(max_examples=60, deadline=None)
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
    outcome = run_auctions(
        bids,
        EXPOSURE,
        pricing,
        quality=quality,
        reserve_price=reserve,
        increment=increment,
        hybrid_weight=weight,
        eligible=eligible,
    )
    for auction in range(AUCTIONS):
        holders, prices = oracle(
            *(array[:, auction].tolist() for array in (bids, quality, reserve)),
            increment,
            float(weight[auction]),
            eligible[:, auction].tolist(),
            pricing,
        )
        assert outcome.bidder[:, auction].tolist() == holders
        np.testing.assert_allclose(outcome.price[:, auction], prices, rtol=1e-6, atol=1e-7)
