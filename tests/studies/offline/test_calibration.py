"""The persona fit: planted parameters are found within their standard errors, plain rates fit the two scales only."""

from dataclasses import replace

import numpy as np
import pytest

from rtb_envs.studies.offline.baselines import Baselines, example_baselines
from rtb_envs.studies.offline.calibration import (
    DEFAULT_RATE,
    DEFAULT_RECOVERY,
    fit,
    persona_weights,
)
from rtb_envs.studies.offline.synthetic import planted_baselines
from rtb_envs.users.personas import PERSONAS

NUM_SETS = 20


@pytest.fixture(scope="module")
def planted_fits():
    fits = []
    for seed in range(NUM_SETS):
        random = np.random.default_rng((seed, 9))
        parts = random.uniform(0.6, 1.4, 4)
        rate, recovery = random.uniform(0.15, 0.5), random.uniform(0.2, 0.6)
        baselines, truth = planted_baselines(seed, tuple(4 * parts / parts.sum()), rate, recovery)
        fits.append((fit(baselines), truth))
    return fits


def test_planted_parameters_are_found_within_their_standard_errors(planted_fits):
    """320 pairs of parameter and set. Of normal errors .27 % lie beyond 3: ten of 320 would be a chance below 1e-7."""
    errors = np.array([(fitted.estimate - truth) / fitted.standard_error for fitted, truth in planted_fits])
    assert errors.shape == (NUM_SETS, 16)
    assert (np.abs(errors) < 3).mean() >= 0.97
    assert np.abs(errors).max() < 5
    # Standard errors are not too wide either: 320 squares of mean 1, correlated within a set.
    assert 0.7 < np.square(errors).mean() < 1.4


def test_the_model_that_drew_the_counts_fits_them(planted_fits):
    # 20 sets of some 305 degrees of freedom each: mean 1, standard error below .02.
    assert np.mean([fitted.chi_square_per_freedom for fitted, _ in planted_fits]) == pytest.approx(1.0, abs=0.1)


def test_dayparts_have_mean_one(planted_fits):
    for fitted, _ in planted_fits:
        assert fitted.dayparts.mean() == pytest.approx(1.0, abs=1e-12)


def test_no_fatigue_is_found_where_there_is_none():
    fitted = fit(planted_baselines(3, (1.0, 1.0, 1.0, 1.0), 0.0, 0.4)[0])
    assert fitted.fatigue_rate <= 3 * max(fitted.standard_error[-2], 0.005)
    drawn = fitted.draws(500, 0)
    assert ((drawn[:, -2:] >= 0) & (drawn[:, -2:] <= 1)).all()


def test_plain_rates_are_met_exactly_by_the_scales_and_the_rest_stays_at_its_defaults():
    baselines = example_baselines()
    fitted = fit(baselines)
    assert not fitted.detailed
    assert fitted.ctr[:, 0, 0] == pytest.approx([0.0145, 0.0213, 0.0187, 0.0124, 0.0245], rel=1e-3)
    assert fitted.cvr[:, 0, 0] == pytest.approx([0.0031, 0.0042, 0.0028, 0.0019, 0.0038], rel=1e-3)
    assert fitted.ctr_error < 1e-3
    assert fitted.cvr_error < 1e-3
    assert fitted.dayparts.tolist() == [1.0] * 4
    assert (fitted.fatigue_rate, fitted.fatigue_recovery) == (DEFAULT_RATE, DEFAULT_RECOVERY)
    # A conversion rate known from n conversions has a relative standard error of 1 / sqrt(n).
    assert fitted.standard_error[5:10] == pytest.approx(1 / np.sqrt(baselines.conversions[:, 0, 0]), rel=0.01)


def test_a_placement_without_a_conversion_is_fitted_without_an_infinity():
    example = example_baselines()
    conversions = example.conversions.copy()
    conversions[0] = 0.0
    fitted = fit(
        Baselines(example.placements, example.cpm, example.impressions, example.clicks, conversions, False, True)
    )
    assert np.isfinite(fitted.estimate).all()
    assert fitted.cvr[0, 0, 0] < 1e-4
    assert fitted.cvr[1, 0, 0] == pytest.approx(0.0042, rel=1e-3)


def test_expected_clicks_and_signups_are_means_over_matched_and_unmatched_brands():
    clicks, signups = persona_weights()
    p = PERSONAS
    by_hand_clicks, by_hand_signups = np.zeros((6, 4)), np.zeros((6, 4))
    for match in (0.0, 1.0):
        click = p.share * p.click_propensity * p.device.mean(axis=1) * (1 + p.brand_affinity * match)
        afford = 1 - p.price_sensitivity * np.minimum(1, 60 / p.budget_dollars)
        convert = p.conversion_rate * afford * (1 + 0.2 * p.brand_affinity * match) * (1 - np.exp(-1))
        by_hand_clicks += 0.5 * click[:, None] * p.daypart
        by_hand_signups += 0.5 * (click * convert)[:, None] * p.daypart
    assert clicks == pytest.approx(by_hand_clicks)
    assert signups == pytest.approx(by_hand_signups)


def test_counts_that_vary_more_than_the_model_says_widen_the_standard_errors():
    """Every count nine times over is the same rates with a Pearson statistic nine times as large: the binomial
    standard errors fall to a third, and the dispersion gives it back."""
    planted = planted_baselines(0, (0.8, 1.0, 1.3, 0.9), 0.3, 0.3)[0]
    nine = replace(
        planted,
        impressions=9 * planted.impressions,
        clicks=9 * planted.clicks,
        conversions=9 * planted.conversions,
    )
    once, repeated = fit(planted), fit(nine)
    assert repeated.chi_square_per_freedom == pytest.approx(9 * once.chi_square_per_freedom, rel=0.05)
    scale = np.sqrt(max(1.0, once.chi_square_per_freedom) / repeated.chi_square_per_freedom)
    assert once.standard_error == pytest.approx(3 * repeated.standard_error * scale, rel=0.05)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_cells_in_which_nobody_converts_or_everybody_does_are_fitted_without_an_infinity(share):
    shown = np.full((2, 4, 8), 1000.0)
    clicks = shown if share else 20 * np.ones(shown.shape)
    fitted = fit(Baselines(("a", "b"), np.ones(2), shown, clicks, share * clicks, True, False))
    assert np.isfinite(fitted.estimate).all()
    assert np.isfinite(fitted.standard_error).all()
    assert np.isfinite(fitted.draws(10, 0)).all()


def test_placements_of_one_click_and_no_conversion_have_estimates_and_errors():
    shown = np.ones((5, 4, 8))
    clicks = np.zeros_like(shown)
    clicks[:, 0, 0] = 1.0
    fitted = fit(Baselines(tuple("abcde"), np.full(5, 90.0), shown, clicks, np.zeros_like(shown), True, False))
    assert np.isfinite(fitted.estimate).all()
    assert np.isfinite(fitted.standard_error).all()
    assert (fitted.standard_error[5:10] > 1.0).all()
