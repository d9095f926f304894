"""Where forecast, auctions, Thompson Sampling and journeys disagree: ranks, sensitivity, stability, rotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtb_envs.studies.offline.auction import BID_CAP, numbers_of, own_bid, quality_of, simulate
from rtb_envs.studies.offline.forecasts import Item, rates
from rtb_envs.studies.offline.thompson import Arms, run, slate_rule, thompson_rule, wasted_spend
from rtb_envs.studies.offline.verdict import SLATE_SIZE

Floats = NDArray[np.float64]
METHODS = ("forecast", "auction", "thompson", "journeys")
BID_FACTORS, QUALITY_FACTORS = (0.8, 1.0, 1.2), (0.9, 1.0, 1.1)
SENSITIVITY_ROUNDS = 100_000
STABLE_TOP = 5


def ranks_of(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank, 1 the best, of each creative of an ``order`` (indices, best first): a permutation of 1..N."""
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def cheapest_first(cac: Floats) -> NDArray[np.int64]:
    """Indices by CAC, the earlier one first among equals, those without a CAC (NaN) last."""
    return np.argsort(np.where(np.isfinite(cac), cac, np.inf), kind="stable")


@dataclass(frozen=True)
class Sensitivity:
    """Win rates and CAC of each creative under other bids and qualities; all rounds and clicks are common."""

    win_rate: Floats
    """[bid factors, quality factors, creatives]."""
    cac: Floats
    """$ a sign-up, NaN without a click; the same axes."""
    top_overlap: Floats
    """Share of the five cheapest creatives at factors 1, 1 that are among the five here [bid factors, qualities]."""
    curve_bids: Floats
    """$ a click [points]."""
    curve_win_rate: Floats
    """Win rate of a bid [points]: it is the same for any creative."""


def sensitivity(items: Sequence[Item], seed: int, num_rounds: int = SENSITIVITY_ROUNDS) -> Sensitivity:
    """Each creative's auctions under bids times .8, 1, 1.2 and qualities times .9, 1, 1.1, and the win-rate curve."""
    ctr, cvr = rates(items)
    num, shape = len(items), (len(BID_FACTORS), len(QUALITY_FACTORS), len(items))
    bids = np.array([[own_bid(quality_of(ctr) * q, b) for q in QUALITY_FACTORS] for b in BID_FACTORS])
    curve_bids = np.linspace(0.5, BID_CAP, 45)
    repeats = len(BID_FACTORS) * len(QUALITY_FACTORS)
    totals = simulate(
        np.concatenate([bids.ravel(), curve_bids]),
        np.concatenate([np.tile(ctr, repeats), np.zeros(len(curve_bids))]),
        np.concatenate([np.tile(numbers_of(items), repeats), np.zeros(len(curve_bids), np.uint32)]),
        num_rounds,
        seed,
    )
    cac = (totals.cost_per_click[: repeats * num] / np.tile(cvr, repeats)).reshape(shape)
    top = [[set(cheapest_first(cac[b, q])[:STABLE_TOP].tolist()) for q in range(shape[1])] for b in range(shape[0])]
    base = top[BID_FACTORS.index(1.0)][QUALITY_FACTORS.index(1.0)]
    return Sensitivity(
        totals.win_rate[: repeats * num].reshape(shape),
        cac,
        np.array([[len(base & other) / len(base) for other in row] for row in top]),
        curve_bids,
        totals.win_rate[repeats * num :],
    )


@dataclass(frozen=True)
class Rotation:
    """What a method's rotation costs over the days that follow, at true rates over whole journeys."""

    wasted_spend: float
    """$ spent on creatives that should have been stopped."""
    regret: float
    """Expected sign-ups lost against the best capped allocation."""
    signups: int
    stopped: int
    """Creatives stopped."""


def rotations(
    arms: Arms,
    orders: Mapping[str, NDArray[np.int64]],
    daily_budget: float,
    num_days: int,
    stop_probability: float,
    seed: int,
) -> dict[str, Rotation]:
    """Each method's days on ``arms``: its first eight in equal parts, Thompson by its posterior, all from the same
    start and under the same stop rule."""
    result = {}
    for method in METHODS:
        rule = slate_rule(orders[method][:SLATE_SIZE], daily_budget)
        if method == "thompson":
            rule = thompson_rule(arms, daily_budget)
        days = run(arms, daily_budget, num_days, seed, rule, stop_probability)
        result[method] = Rotation(
            wasted_spend(arms, days),
            float(days.regret.sum()),
            int(days.signups.sum()),
            int((days.stopped_on >= 0).sum()),
        )
    return result
