"""Orderings that papers report, and what the benchmark's markets show of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rtb_envs.metrics import stratified_interquartile_mean

TIGHT = 1 / 16
"""Budgets of this share of the largest spend and below are called tight."""
ALIKE = 0.02
"""Differences of R/R* below this are called none."""
Relation = Literal[">", "≥", "≈"]


@dataclass(frozen=True)
class Ordering:
    """A claim that ``first`` brings more than, at least, or about as much as ``second``."""

    first: str
    relation: Relation
    second: str
    only_tight: bool
    source: str


ORDERINGS = (
    Ordering("linear", ">", "mcpc", True, "Zhang et al. 2014, iPinYou"),
    Ordering("mcpc", ">", "constant_bid", True, "the same"),
    Ordering("constant_bid", "≈", "random_bid", True, "the same"),
    Ordering("rlb", "≥", "linear", True, "Cai et al. 2017, iPinYou"),
    Ordering("ta_pid", ">", "m_pid", False, "Khirianova et al. 2025, BAT"),
    Ordering("m_pid", ">", "alm", False, "the same"),
)


def compare(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each ordering whose methods played, how much more of R* the first has, as JSON values.

    Differences are paired: a task at a seed is the same episodes for both. They are summed up as interquartile means
    with bootstrap intervals over the seeds of each task.
    """
    found = []
    for ordering in ORDERINGS:
        tasks = [
            cell["methods"]
            for cell in cells
            if {ordering.first, ordering.second} <= cell["methods"].keys()
            and not (ordering.only_tight and cell["budget_share"] > TIGHT)
        ]
        if not tasks:
            continue
        first, second = (
            np.array([methods[name]["share_of_optimum"] for methods in tasks])
            for name in (ordering.first, ordering.second)
        )
        estimate = stratified_interquartile_mean(first - second)
        found.append(
            {
                "first": tasks[0][ordering.first]["label"],
                "relation": ordering.relation,
                "second": tasks[0][ordering.second]["label"],
                "only_tight": ordering.only_tight,
                "source": ordering.source,
                "tasks": len(tasks),
                "tasks_won": int(((first - second).mean(axis=1) > 0).sum()),
                **estimate._asdict(),
                "verdict": verdict(ordering.relation, estimate.low, estimate.high),
            }
        )
    return found


def verdict(relation: Relation, low: float, high: float) -> str:
    """What an interval of differences says of a claimed ``relation``."""
    if relation == "≈":
        holds, fails = low >= -ALIKE and high <= ALIKE, low > ALIKE or high < -ALIKE
    elif relation == "≥":
        holds, fails = low > -ALIKE, high < 0
    else:
        holds, fails = low > 0, high < 0
    if holds:
        return "holds"
    return "does not hold" if fails else "open"
