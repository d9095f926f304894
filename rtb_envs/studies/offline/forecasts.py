"""The forecasts that a study begins with: read from JSON, every error in them found at once."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtb_envs.files import read_text
from rtb_envs.studies.offline.checks import Checks
from rtb_envs.validation import shown

FIGURES = ("impressions", "clicks", "signups", "cac")
QUANTILES = ("p10", "p50", "p90")
RATE_FLOOR = 1e-6
NUM_ITEMS = 12
MAX_FREQUENCY = 8.0
DEFAULT_FREQUENCY = 3.0
"""Exposures of a user where the forecast has no ``reach``: the same for every creative."""
_SPREAD_10_TO_90 = 2 * 1.2815515655446004
_LEAST_AMOUNT, _LARGEST_AMOUNT = 1e-6, 1e12
"""Of what must be above 0, so that its ratios are numbers: a micro-dollar, or a user in a million days."""
MAX_BYTES = 100_000_000


@dataclass(frozen=True)
class Quantiles:
    """The 10 %, 50 % and 90 % points of a forecast figure."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True)
class Item:
    """A creative and its forecast at one budget."""

    creative_id: str
    p_win: float
    """The forecaster's probability in [0, 1] that this is the best creative."""
    impressions: Quantiles
    clicks: Quantiles
    signups: Quantiles
    cac: Quantiles
    """Cost of acquiring a customer, $ a sign-up."""
    reach: Quantiles | None = None
    """Users who see it, where the forecaster says so."""

    @property
    def ctr(self) -> float:
        """Clicks per impression at the medians, at least 1e-6."""
        return max(RATE_FLOOR, self.clicks.p50 / self.impressions.p50)

    @property
    def cvr(self) -> float:
        """Sign-ups per click at the medians, at least 1e-6 (which it is, too, without a click)."""
        return max(RATE_FLOOR, self.signups.p50 / self.clicks.p50) if self.clicks.p50 else RATE_FLOOR

    @property
    def frequency(self) -> float:
        """Exposures of a user who is reached: impressions / reach at the medians, within [1, 8]."""
        if self.reach is None:
            return DEFAULT_FREQUENCY
        return min(MAX_FREQUENCY, max(1.0, self.impressions.p50 / self.reach.p50))

    @property
    def signup_log_spread(self) -> float:
        """Standard deviation of log sign-ups, from the distance of p10 and p90, which a log-normal would have."""
        low, high = max(self.signups.p10, RATE_FLOOR), max(self.signups.p90, RATE_FLOOR)
        return min(2.0, math.log(high / low) / _SPREAD_10_TO_90)

    @property
    def number(self) -> int:
        """An address for random draws that depends on the name alone, so that no other item shifts them."""
        return zlib.crc32(self.creative_id.encode())


class _Entries(dict[str, Any]):
    """A JSON object that knows which of its keys were given more than once: the last value alone is in it."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs) if len(self) < len(pairs) else {}
        self.repeated = [name for name, count in counts.items() if count > 1]


def read_forecasts(path: Path, budget_key: str) -> list[Item]:
    """The items of a forecast file (JSON in UTF-8) at ``budget_key``, in the order of the file.

    Raises InvalidInputError with a line for each error, OSError if the file cannot be read.
    """
    checks = Checks(path.name)
    try:
        text = read_text(path, MAX_BYTES)
    except ValueError as error:
        checks.fail("the file", str(error))
        checks.finish()
    try:
        document = json.loads(text, object_pairs_hook=_Entries)
    except (ValueError, RecursionError) as error:
        checks.fail("the file", f"is not JSON: {error}")
        checks.finish()
    return parse_forecasts(document, budget_key, checks)


def parse_forecasts(document: Any, budget_key: str, checks: Checks) -> list[Item]:
    """The items of a decoded forecast file; see ``read_forecasts``."""
    entries = checks.mapping("the file", document).get("items")
    if not isinstance(entries, list) or not entries:
        checks.fail("items", "must be a list of at least one item")
        entries = []
    items = [_item(checks, index, entry, budget_key) for index, entry in enumerate(entries)]
    for name, count in Counter(item.creative_id for item in items if item.creative_id).items():
        if count > 1:
            checks.fail(f"item {name!r}: creative_id", f"must be unique, is given {count} times")
    checks.finish()
    return items


def leading_items(items: Sequence[Item], number: int = NUM_ITEMS) -> list[Item]:
    """The ``number`` items with the highest ``p_win``, the earlier one first among equals."""
    return sorted(items, key=lambda item: -item.p_win)[:number]


def _item(checks: Checks, index: int, entry: Any, budget_key: str) -> Item:
    entry = checks.mapping(f"item {index}", entry)
    name = checks.name(f"item {index}: creative_id", entry.get("creative_id")) if entry else ""
    where = f"item {name!r}" if name else f"item {index}"
    p_win = checks.number(where, entry, "p_win", 0.0, 1.0) if entry else math.nan
    budgets = checks.mapping(f"{where}: budgets", entry.get("budgets")) if entry else {}
    figures: Mapping[str, Any] = {}
    if budgets and budget_key not in budgets:
        checks.fail(f"{where}: budgets", f"has no {budget_key!r}, only {shown(list(budgets))}")
    elif budgets:
        figures = checks.mapping(f"{where}: budgets.{budget_key}", budgets[budget_key])
    at = f"{where}: budgets.{budget_key}"
    read = {figure: _quantiles(checks, at, figures, figure) for figure in FIGURES} if figures else {}
    reach = _quantiles(checks, at, figures, "reach") if "reach" in figures else None
    if read:
        _consistent(checks, at, read, reach)
    nothing = Quantiles(math.nan, math.nan, math.nan)
    impressions, clicks, signups, cac = (read.get(figure, nothing) for figure in FIGURES)
    return Item(name, p_win, impressions, clicks, signups, cac, reach)


def _quantiles(checks: Checks, where: str, figures: Mapping[str, Any], figure: str) -> Quantiles:
    if figure not in figures:
        checks.fail(f"{where}.{figure}", "is missing")
        return Quantiles(math.nan, math.nan, math.nan)
    parent = checks.mapping(f"{where}.{figure}", figures[figure])
    if not parent:
        return Quantiles(math.nan, math.nan, math.nan)
    # Neither rates nor costs exist without impressions, users or a price.
    positive = figure in ("impressions", "cac", "reach")
    at = f"{where}.{figure}"
    least = {"p10": 0.0, "p50": _LEAST_AMOUNT, "p90": _LEAST_AMOUNT} if positive else dict.fromkeys(QUANTILES, 0.0)
    values = [checks.number(at, parent, name, least[name], _LARGEST_AMOUNT) for name in QUANTILES]
    for (low_name, low), (high_name, high) in zip(
        zip(QUANTILES[:2], values[:2], strict=True), zip(QUANTILES[1:], values[1:], strict=True), strict=True
    ):
        if low > high:
            checks.fail(f"{at}: {low_name}", f"must not exceed {high_name}, got {low:g} > {high:g}")
    return Quantiles(*values)


def _consistent(checks: Checks, where: str, figures: Mapping[str, Quantiles], reach: Quantiles | None) -> None:
    """What is counted along the way from impression to sign-up must not rise, nor users be more than impressions, at
    any quantile: a part never exceeds the whole, so no quantile of it does."""
    pairs = [("clicks", figures["clicks"], "impressions"), ("signups", figures["signups"], "clicks")]
    if reach is not None:
        pairs.append(("reach", reach, "impressions"))
    for name, part, whole in pairs:
        for quantile in QUANTILES:
            some, most = getattr(part, quantile), getattr(figures[whole], quantile)
            if some > most:
                checks.fail(f"{where}.{name}: {quantile}", f"must not exceed {whole}, got {some:g} > {most:g}")


def rates(items: Sequence[Item]) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """Click and sign-up rates [items] of the forecasts."""
    return np.array([item.ctr for item in items]), np.array([item.cvr for item in items])
