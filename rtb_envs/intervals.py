"""Bootstrap intervals over seeds (Efron, "Bootstrap Methods: Another Look at the Jackknife", Ann. Statist. 7(1), 1979),
and Student's where there are too few of them to resample.

A seed is a set of episodes on common random numbers, the unit that is resampled; ratios are of sums, so that an
episode counts by its worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
RESAMPLING_SEED = 0


@dataclass(frozen=True)
class Interval:
    """A point estimate with the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float


def resamples(num_seeds: int, num_samples: int) -> NDArray[np.int64]:
    """Indices [num_samples, num_seeds] of seeds drawn with replacement, the same at every call.

    Every method and every difference is resampled by the same indices, which is what pairs them.
    """
    return np.random.default_rng(RESAMPLING_SEED).integers(num_seeds, size=(num_samples, num_seeds))


def ratio_of_sums(numerator: Floats, denominator: Floats, num_samples: int) -> Interval:
    """Sum of ``numerator`` over sum of ``denominator``, both [seeds] with at least 2 seeds.

    Raises ValueError for fewer seeds, unequal shapes or a denominator that is not positive throughout.
    """
    _check(numerator, denominator)
    chosen = resamples(len(numerator), num_samples)
    samples = numerator[chosen].sum(axis=1) / denominator[chosen].sum(axis=1)
    return _percentile_interval(float(numerator.sum() / denominator.sum()), samples)


def mean(values: Floats, num_samples: int) -> Interval:
    """The mean of ``values`` [seeds]."""
    return ratio_of_sums(values, np.ones_like(values), num_samples)


def mean_of_few(values: Floats) -> Interval:
    """The mean of ``values`` [seeds], of at least 2, by the t distribution (Student, Biometrika 6(1), 1908).

    Resamples of five values are too much alike for a percentile interval to hold what it promises.
    """
    _check(values, np.ones_like(values))
    estimate, count = float(values.mean()), len(values)
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(count))
    return Interval(estimate, estimate - half, estimate + half)


def _check(numerator: Floats, denominator: Floats) -> None:
    if numerator.ndim != 1 or numerator.shape != denominator.shape or len(numerator) < 2:
        raise ValueError(
            f"numerator and denominator must be equally long, of at least 2 seeds; got shapes {numerator.shape} and "
            f"{denominator.shape}"
        )
    if not (denominator > 0).all():
        raise ValueError(f"denominator must be positive in every seed, got {denominator.tolist()}")


def _percentile_interval(estimate: float, samples: Floats) -> Interval:
    low, high = np.quantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(estimate, float(low), float(high))
