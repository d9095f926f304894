"""What a distribution of prices says of bids, by hand."""

import numpy as np
import pytest

from tests.policies.markets import distribution

BIDS = np.float32([5, 10, 11, 30.5, 100])


def test_a_bid_wins_against_the_prices_below_it():
    np.testing.assert_array_equal(distribution().win_probability(BIDS), [0, 0, 1 / 4, 3 / 4, 1])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, [0, 0, 10 / 4, 60 / 4, 100 / 4]),
        (1.0, [0, 0, 11 / 4, 3 * 30.5 / 4, 100]),
        (0.5, [0, 0, 10.5 / 4, (60 + 91.5) / 8, (25 + 100) / 2]),
    ],
)
def test_the_expected_charge_is_the_prices_below_the_bid_or_the_bid_or_between(share, expected):
    np.testing.assert_allclose(distribution(first_price_share=share).expected_charge(BIDS), expected, rtol=1e-6)


def test_only_the_charged_share_of_impressions_costs():
    np.testing.assert_allclose(distribution(charge_rate=0.2).expected_charge(100.0), 0.2 * 25)
