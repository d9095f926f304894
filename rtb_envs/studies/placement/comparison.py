"""What days bring on average, and how two scenarios differ on common random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rtb_envs.intervals import CONFIDENCE, resamples
from rtb_envs.studies.placement.simulation import Days, Floats

SAMPLES = 10_000


class Measure(NamedTuple):
    """A ratio of two totals of ``Days.totals``."""

    title: str
    unit: str
    numerator: str
    denominator: str
    scale: float = 1.0


MEASURES: dict[str, Measure] = {
    "revenue": Measure("Revenue", "$ a day", "revenue", "days"),
    "ecpm": Measure("eCPM", "$ per mille impressions", "revenue", "impressions", 1000.0),
    "impressions": Measure("Impressions", "a day", "impressions", "days"),
    "fill_rate": Measure("Fill rate", "% of opened slots", "filled_slots", "opened_slots", 100.0),
    "ctr": Measure("CTR", "% of impressions", "clicks", "impressions", 100.0),
    "opened_slots": Measure("Opened slots", "a day", "opened_slots", "days"),
    "visited": Measure("Events with a user", "a day", "has_user", "days"),
    "sessions": Measure("Sessions", "a day", "sessions", "days"),
    "pressure": Measure("Pressure on users", "impressions", "pressure", "has_user"),
}


@dataclass(frozen=True)
class Figure:
    """An estimate with its 95 % bootstrap interval over days; None where there is nothing to divide by.

    The interval alone is None where more than 2.5 % of the resamples have nothing to divide by: it has no ends then.
    """

    estimate: float | None
    low: float | None
    high: float | None


def summary(days: Days) -> dict[str, Figure]:
    """Every measure of a scenario."""
    totals = days.totals()
    return {name: _figure(*_samples(totals, measure)) for name, measure in MEASURES.items()}


def deltas(base: Days, variant: Days) -> dict[str, Figure]:
    """Change of every measure from ``base`` to ``variant`` in %; days are resampled in pairs.

    Raises ValueError unless both have the same seed, days and events, hence the same random numbers.
    """
    for name in ("seed", "days", "events"):
        a, b = getattr(base.scenario, name), getattr(variant.scenario, name)
        if a != b:
            raise ValueError(f"{name} must be equal in both scenarios for common random numbers, got {a} and {b}")
    before, after = base.totals(), variant.totals()
    return {name: _change(before, after, measure) for name, measure in MEASURES.items()}


def _samples(totals: dict[str, Floats], measure: Measure) -> tuple[float, Floats]:
    """A measure over all days, and over each resample of them; NaN where nothing is to divide by."""
    numerator, denominator = totals[measure.numerator], totals[measure.denominator]
    chosen = resamples(len(numerator), SAMPLES)
    sums = numerator[chosen].sum(axis=1), denominator[chosen].sum(axis=1)
    return (
        float(_ratio(np.array([numerator.sum()]), np.array([denominator.sum()]))[0]) * measure.scale,
        _ratio(*sums) * measure.scale,
    )


def _change(before: dict[str, Floats], after: dict[str, Floats], measure: Measure) -> Figure:
    old, old_samples = _samples(before, measure)
    new, new_samples = _samples(after, measure)
    estimate = 100 * (_ratio(np.array([new]), np.array([old]))[0] - 1)
    return _figure(float(estimate), 100 * (_ratio(new_samples, old_samples) - 1))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    whole = np.isfinite(denominator) & (denominator > 0)
    return np.where(whole, numerator / np.where(whole, denominator, 1), np.nan)


def _figure(estimate: float, samples: Floats) -> Figure:
    if not np.isfinite(estimate):
        return Figure(None, None, None)
    if np.isnan(samples).mean() > (1 - CONFIDENCE) / 2:
        return Figure(estimate, None, None)
    low, high = np.nanquantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(estimate, float(low), float(high))
