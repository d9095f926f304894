"""Piecewise linear bids by hand and against NumPy's interpolation."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb_envs import compile
from rtb_envs.auctions.bid_curves import bid_on_curve

KNOTS = np.float32([1, 2, 4, 5])


def bids(worth, curve, knots=KNOTS):
    return np.asarray(compile.jit(bid_on_curve)(jnp.float32(worth), jnp.asarray(knots), jnp.float32(curve)))


def test_bids_lie_on_the_segments_between_knots_and_on_the_outer_ones_beyond_them():
    # Slopes 20, -5, 8: below the first knot 10 - 20 * .5, above the last 28 + 8 * 2.
    worth = [0.5, 1, 1.25, 2, 3, 4, 4.5, 5, 7]
    expected = [0, 10, 15, 30, 25, 20, 24, 28, 44]
    np.testing.assert_array_equal(bids(worth, [10, 30, 20, 28]), expected)


def test_a_constant_bid_is_kept_exactly_everywhere():
    worth = np.geomspace(1e-6, 1e6, 1001)
    assert (bids(worth, np.full(4, 79.3)) == np.float32(79.3)).all()


def test_bids_in_proportion_to_worth_are_kept_everywhere_up_to_rounding():
    knots = np.float32(2.0 ** np.linspace(-4, 4, 17))
    worth = np.float32(np.geomspace(1e-3, 1e3, 10_001))
    # Far below the first knot the rounding is that of the bid there.
    at_first_knot = 2.0**-23 * 3.7 / 16
    expected = np.float32(3.7) * worth
    np.testing.assert_allclose(bids(worth, np.float32(3.7) * knots, knots), expected, rtol=3e-6, atol=at_first_knot)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 1000, width=32), min_size=4, max_size=4),
    st.lists(st.floats(1, 5, width=32), min_size=8, max_size=8),
)
def test_between_the_outer_knots_it_is_linear_interpolation(curve, worth):
    np.testing.assert_allclose(bids(worth, curve), np.interp(worth, KNOTS, curve), rtol=1e-5, atol=1e-3)
