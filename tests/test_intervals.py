import itertools

import numpy as np
import pytest

from rtb_envs.intervals import mean, mean_of_few, ratio_of_sums

SAMPLES = 10_000


def all_resamples(count: int) -> np.ndarray:
    """Every way to draw ``count`` of ``count`` with replacement, equally likely."""
    return np.array(list(itertools.product(range(count), repeat=count)))


def test_the_interval_is_that_of_all_resamples():
    numerator, denominator = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([2.0, 3.0, 5.0, 9.0, 20.0])
    chosen = all_resamples(5)
    exact = numerator[chosen].sum(axis=1) / denominator[chosen].sum(axis=1)
    interval = ratio_of_sums(numerator, denominator, SAMPLES)
    assert interval.estimate == 31 / 39
    # The share of all resamples below each end is 2.5 % and 97.5 %, with the atoms that 3125 resamples have, and the
    # noise of 10,000 of them: 4 standard errors are .6 points.
    assert (exact < interval.low).mean() - 0.007 < 0.025 < (exact <= interval.low).mean() + 0.007
    assert (exact < interval.high).mean() - 0.007 < 0.975 < (exact <= interval.high).mean() + 0.007


def test_two_seeds_give_the_extremes():
    # Resamples have the means 0, 1/2 and 1 with probability 1/4, 1/2 and 1/4.
    interval = mean(np.array([0.0, 1.0]), SAMPLES)
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_the_mean_of_five_has_the_interval_of_students_tables():
    # Standard deviation sqrt(2.5), and t = 2.776 for 4 degrees of freedom.
    interval = mean_of_few(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert interval.estimate == 3
    half = 2.776 * np.sqrt(2.5 / 5)
    assert (interval.low, interval.high) == (pytest.approx(3 - half, abs=1e-3), pytest.approx(3 + half, abs=1e-3))
    with pytest.raises(ValueError, match="at least 2 seeds"):
        mean_of_few(np.array([1.0]))


def test_a_mean_of_many_normal_seeds_has_the_textbook_interval():
    values = np.random.default_rng(3).normal(5.0, 2.0, size=400)
    interval = mean(values, SAMPLES)
    half = 1.96 * values.std() / np.sqrt(400)
    # Each end has a standard error of about .027 half widths at 10,000 resamples; 4 of them, and the skewness left.
    assert interval.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_a_ratio_is_of_sums_so_that_seeds_count_by_their_worth():
    interval = ratio_of_sums(np.array([1.0, 0.0]), np.array([1.0, 3.0]), SAMPLES)
    assert interval.estimate == 0.25  # the mean of the ratios would be 1/2


def test_a_lead_that_is_the_same_in_every_seed_has_no_width_however_the_seeds_vary():
    ours = np.array([10.0, 2.0, 30.0, 4.0])
    interval = mean(ours - (ours - 0.25), SAMPLES)
    assert (interval.estimate, interval.low, interval.high) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("numerator", "denominator", "message"),
    [
        ([1.0], [1.0], "at least 2 seeds"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "equally long"),
        ([1.0, 2.0], [1.0, 0.0], "denominator must be positive in every seed"),
    ],
)
def test_what_has_no_interval_is_refused(numerator, denominator, message):
    with pytest.raises(ValueError, match=message):
        ratio_of_sums(np.array(numerator), np.array(denominator), SAMPLES)
