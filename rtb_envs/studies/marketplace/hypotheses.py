"""What was expected of the scenarios before any run, and what the runs say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rtb_envs.intervals import Interval, mean

BOOTSTRAP_SAMPLES = 10_000


@dataclass(frozen=True)
class Hypothesis:
    """``first`` has more of ``figure`` than ``second``, or where ``or_equal`` at least as much."""

    text: str
    figure: str
    unit: str
    first: str
    second: str
    or_equal: bool = False


HYPOTHESES = (
    Hypothesis("buyers' effective CPM: A > C", "effective_cpm_usd", "$ per 1000 delivered", "a", "c"),
    Hypothesis("goal attainment: C ≥ A", "goal_attainment", "share of the goal", "c", "a", or_equal=True),
    Hypothesis("goal attainment: A > B", "goal_attainment", "share of the goal", "a", "b"),
)


@dataclass(frozen=True)
class Answer:
    """The mean paired difference over seeds with its 95 % interval, and whether it confirms the hypothesis."""

    hypothesis: Hypothesis
    seeds: int
    difference: Interval | None
    """None where there are fewer than two seeds with both scenarios."""
    verdict: Literal["confirmed", "not confirmed", "too few seeds"]


def answer(hypothesis: Hypothesis, markets: list[dict[str, Any]]) -> Answer:
    """Compare the seeds of ``markets`` that have both scenarios, pair by pair.

    Confirmed if the whole interval lies above zero; where equality is enough, unless the whole interval lies below.
    """
    values = {
        scenario: {m["seed"]: m["figures"][hypothesis.figure] for m in markets if m["scenario"] == scenario}
        for scenario in (hypothesis.first, hypothesis.second)
    }
    seeds = sorted(values[hypothesis.first].keys() & values[hypothesis.second].keys())
    if len(seeds) < 2:
        return Answer(hypothesis, len(seeds), None, "too few seeds")
    pairs = [values[hypothesis.first][seed] - values[hypothesis.second][seed] for seed in seeds]
    difference = mean(np.asarray(pairs, np.float64), BOOTSTRAP_SAMPLES)
    holds = difference.high >= 0 if hypothesis.or_equal else difference.low > 0
    return Answer(hypothesis, len(seeds), difference, "confirmed" if holds else "not confirmed")


def answers(markets: list[dict[str, Any]]) -> list[Answer]:
    """Every hypothesis whose scenarios were run."""
    run = {market["scenario"] for market in markets}
    return [answer(hypothesis, markets) for hypothesis in HYPOTHESES if {hypothesis.first, hypothesis.second} <= run]
