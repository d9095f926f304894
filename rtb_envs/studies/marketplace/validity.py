"""Are a run's figures plausible? Each is measured from rows and held against a range fixed in advance."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

SEEDS_TO_JUDGE = 20
REFERENCE_CAMPAIGN_DAYS = 5 * 10 * 30
"""What counts below refer to: 5 buyers with 10 campaigns for 30 days."""
DAYS_FOR_ROT = 10
"""Memory has hardly begun to rot in fewer days."""


@dataclass(frozen=True)
class Range:
    """What a figure of one scenario is expected to be, and beyond what it is invalid."""

    title: str
    scenario: str
    figure: str
    unit: str
    """"count", which grows with campaign-days, or "share"."""
    expected: tuple[float, float]
    valid: tuple[float, float]
    needs_rot: bool = False
    zero_is_invalid: bool = False


RANGES = (
    Range("total deals, A", "a", "deals", "count", (4_000, 6_000), (1_000, 10_000)),
    Range("exchange fees, A", "a", "fee_rate", "share", (0.10, 0.20), (0.05, 0.30)),
    Range("context-rot events, B", "b", "rot_events", "count", (20, 50), (0, 100), True, True),
    Range("hallucination rate, B", "b", "hallucination_rate", "share", (0.05, 0.15), (0.01, 0.30)),
    Range("recovery rate, C", "c", "recovery_rate", "share", (1.0, 1.0), (0.99, 1.0)),
    Range("ledger entries, C", "c", "entries", "count", (10_000, inf), (5_000, inf)),
)


@dataclass(frozen=True)
class Verdict:
    """A figure over the seeds of a run, and what is to be said of it."""

    title: str
    unit: str
    mean: float | None
    low: float | None
    """The smallest of the seeds."""
    high: float | None
    expected: tuple[float, float]
    valid: tuple[float, float]
    verdict: str
    """"expected" (the mean), "unexpected", "invalid" (any seed) or "not applicable"."""


def judge(markets: list[dict[str, Any]], campaign_days: int, days: int) -> list[Verdict]:
    """A verdict on every range for which ``markets`` have a figure."""
    scale = campaign_days / REFERENCE_CAMPAIGN_DAYS
    return [verdict for wanted in RANGES if (verdict := _judge(wanted, markets, scale, days)) is not None]


def is_judged(seeds: int) -> bool:
    """Whether there are enough seeds for an invalid figure to condemn a run."""
    return seeds >= SEEDS_TO_JUDGE


def _judge(wanted: Range, markets: list[dict[str, Any]], scale: float, days: int) -> Verdict | None:
    values = [float(market["figures"][wanted.figure]) for market in markets if market["scenario"] == wanted.scenario]
    if not values:
        return None
    factor = scale if wanted.unit == "count" else 1.0
    expected = wanted.expected[0] * factor, wanted.expected[1] * factor
    valid = wanted.valid[0] * factor, wanted.valid[1] * factor
    if wanted.needs_rot and days < DAYS_FOR_ROT:
        return Verdict(wanted.title, wanted.unit, None, None, None, expected, valid, "not applicable")
    mean = sum(values) / len(values)
    invalid = any(not valid[0] <= value <= valid[1] or (wanted.zero_is_invalid and value == 0) for value in values)
    plausible = "expected" if expected[0] <= mean <= expected[1] else "unexpected"
    verdict = "invalid" if invalid else plausible
    return Verdict(wanted.title, wanted.unit, mean, min(values), max(values), expected, valid, verdict)
