"""Ghost-ad lift: by hand, and whether its standard error is that of repeated experiments."""

import numpy as np
import pytest

from rtb_envs.users.incrementality import paired_lift, ratio_lift


def test_the_lift_of_110_over_100_is_a_tenth():
    lift = paired_lift(110, 100)
    np.testing.assert_allclose(lift.lift, 0.1)
    np.testing.assert_allclose(lift.standard_error, np.sqrt(10 / 100**2 + 100 / 100**3))


def test_the_standard_error_is_the_spread_of_repeated_experiments():
    """2,000 experiments of Poisson counts; the spread of a spread is 1.6 %, so 8 % is 5 standard errors."""
    rng = np.random.default_rng(0)
    masked, added = rng.poisson(400, 2000), rng.poisson(40, 2000)
    expected = paired_lift(440, 400).standard_error
    np.testing.assert_allclose((added / masked).std(), expected, rtol=0.08)


def test_runs_give_the_ratio_of_their_totals():
    lift = ratio_lift([11.0, 22.0], [10.0, 20.0])
    np.testing.assert_allclose(lift, (0.1, 0.0), atol=1e-12)


@pytest.mark.parametrize("counts", [(9, 10), (5, 0)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="must be an integer in"):
        paired_lift(*counts)
    with pytest.raises(ValueError, match="one total for each of 2 or more runs"):
        ratio_lift([1.0], [1.0])
