"""Intervals of estimates, by resampling episodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rtb_envs import validation
from rtb_envs.off_policy.estimators import Contributions

_ENTRIES_AT_ONCE = 2**22


class Estimate(NamedTuple):
    """An estimate and its interval [low, high]."""

    value: float
    low: float
    high: float


def bootstrap(
    contributions: Contributions, *, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> Estimate:
    """The estimate with the percentile interval of the bootstrap over episodes (Efron, Annals of Statistics 7, 1979).

    It tells how the estimate varies with the episodes that happen to be in the log. Where a few ratios dominate
    (``effective_sample_size`` far below the number of episodes) it is too narrow: what was not drawn can not be
    resampled. Raises TypeError or ValueError for ``confidence`` outside (0, 1), ``samples`` outside [10, 10**6] or a
    negative ``seed``.
    """
    confidence = validation.number("confidence", confidence, 0, 1 - 1e-9, open_low=True)
    samples = validation.integer("samples", samples, 10, 10**6)
    rng = np.random.default_rng(validation.integer("seed", seed, 0, 2**32 - 1))
    count = len(contributions.value)
    estimates = []
    rows = max(1, _ENTRIES_AT_ONCE // count)
    for first in range(0, samples, rows):
        chosen = rng.integers(count, size=(min(rows, samples - first), count))
        value, weight = (part[chosen].sum(axis=1) for part in contributions)
        estimates.append(np.divide(value, weight, out=np.full(len(value), np.nan), where=weight > 0))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.concatenate(estimates), [tail, 1 - tail])
    return Estimate(contributions.estimate, float(low), float(high))
