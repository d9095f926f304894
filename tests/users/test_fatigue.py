"""Ad fatigue: the published click rates by exposure, and recovery."""

import numpy as np

from rtb_envs.users.fatigue import exposure_pressure, fatigue


def test_click_rates_fall_as_in_the_published_figures():
    """Criteo's attribution data, relative click rates at exposures 1, 2, 3 and 5; the curve is a fit within .02."""
    np.testing.assert_allclose(fatigue(np.array([1.0, 2.0, 3.0, 5.0])), [1, 0.847, 0.787, 0.728], atol=0.02)


def test_fatigue_has_the_formula_s_values_and_its_floor():
    n = np.array([1.0, 1.5, 4.0, 100.0])
    np.testing.assert_allclose(fatigue(n), 0.7 + 0.3 * np.exp(-0.62 * (n - 1)), rtol=1e-6)
    np.testing.assert_allclose(fatigue(n, scale=0.5), 1 - 0.5 * (1 - fatigue(n)), rtol=1e-6)


def test_pressure_halves_in_every_half_life():
    # Two half-lives after a second exposure at n = 2: 1 + 2 / 4.
    np.testing.assert_allclose(exposure_pressure(2.0, 96.0, 48.0), 1.5)
    assert exposure_pressure(0.0, 1e6, 48.0) == 1


def test_after_long_rest_an_ad_is_fresh_again():
    np.testing.assert_allclose(fatigue(exposure_pressure(3.0, 30 * 24.0, 48.0)), 1, atol=1e-4)
