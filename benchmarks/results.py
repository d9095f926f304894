"""From the rates of each turn to figures: medians, extremes and ratios, as JSON values."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

RATES = ("steps_per_second", "auctions_per_second")

Rates = dict[str, float | None]
"""One of ``RATES`` each; None where it was not counted."""
Figures = dict[str, Any]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measurement(name: str, title: str, num_envs: int, start_seconds: float | None, turns: Sequence[Rates]) -> Figures:
    """A row of the table from the rates of each turn."""
    return {
        "name": name,
        "title": title,
        "num_envs": num_envs,
        "start_seconds": start_seconds,
        **{unit: _over_turns([rates[unit] for rates in turns]) for unit in RATES},
    }


def ratio(ours: Sequence[Rates], theirs: Sequence[Rates]) -> Figures:
    """How many times as fast ours is; each turn gives one ratio, so that what slows a turn down cancels."""
    pairs = list(zip(ours, theirs, strict=True))
    return {unit: _over_turns([_divided(own[unit], other[unit]) for own, other in pairs]) for unit in RATES}


def _over_turns(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    return summary(known) if known else None


def _divided(own: float | None, other: float | None) -> float | None:
    return None if own is None or other is None else own / other
