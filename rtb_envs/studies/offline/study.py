"""The study from its inputs to its results: everything that the reports and the page are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtb_envs import validation
from rtb_envs.studies.offline.auction import MAX_ROUNDS, AuctionResult, simulate_items
from rtb_envs.studies.offline.baselines import Baselines
from rtb_envs.studies.offline.calibration import Fit, fit
from rtb_envs.studies.offline.comparison import (
    Rotation,
    Sensitivity,
    cheapest_first,
    ranks_of,
    rotations,
    sensitivity,
)
from rtb_envs.studies.offline.forecasts import Item, leading_items, rates
from rtb_envs.studies.offline.journeys import interest_left, journey_ranking
from rtb_envs.studies.offline.thompson import (
    NUM_DAYS,
    STOP_CAC_RATIO,
    STOP_PROBABILITY,
    Arms,
    Run,
    cac_quantiles,
    run,
    thompson_rule,
)
from rtb_envs.studies.offline.verdict import NUM_DRAWS, SLATE_SIZE, Verdict, compare_slates

Floats = NDArray[np.float64]
NUM_ROUNDS = 2_000
MAX_DAYS, MAX_SEED = 365, 2**31 - 1000
MAX_BUDGET, MAX_SPEND = 10**9, 4 * 10**9
"""$ a day and $ of all days: at the least cost of an impression, 5e-7 $, there are fewer than 2**53 impressions, so
that every count of them is exact."""
_LARGEST_RATE = 0.5
_TRUTH, _INTERVALS = 31, 32


@dataclass(frozen=True)
class Settings:
    """What a user may choose. Wrong values raise ValueError or TypeError naming the field."""

    budget: int = 30_000
    """$ a day, a key of the forecasts."""
    num_rounds: int = NUM_ROUNDS
    """Auctions of each creative."""
    num_days: int = NUM_DAYS
    """Days of Thompson Sampling, and of the rotation that is compared."""
    stop_ratio: float = STOP_CAC_RATIO
    """A creative is stopped when its CAC probably exceeds this multiple of the forecast's median."""
    stop_probability: float = STOP_PROBABILITY
    seed: int = 0

    def __post_init__(self) -> None:
        validation.integer("budget", self.budget, 1, MAX_BUDGET)
        validation.integer("num_rounds", self.num_rounds, 1, MAX_ROUNDS)
        validation.integer("num_days", self.num_days, 1, MAX_DAYS)
        if self.budget * self.num_days > MAX_SPEND:
            allowed = f"at most {MAX_SPEND // self.num_days} for num_days {self.num_days}"
            raise validation.wrong_value("budget", allowed, self.budget)
        validation.number("stop_ratio", self.stop_ratio, 0.01, 1e6)
        validation.number("stop_probability", self.stop_probability, 0, 1)
        validation.integer("seed", self.seed, 0, MAX_SEED)


@dataclass(frozen=True)
class CacByMethod:
    """$ a sign-up of each creative by each method, NaN where it has none: middle, low and high [3, creatives]."""

    of: Mapping[str, Floats]


@dataclass(frozen=True)
class Study:
    """All results; arrays [creatives] are in the order of ``items``."""

    settings: Settings
    items: tuple[Item, ...]
    baselines: Baselines
    auction: AuctionResult
    arms: Arms
    """What Thompson Sampling plays: the response of fresh users."""
    tested: Run
    fitted: Fit
    interest_left: Floats
    """Mean click interest over a creative's exposures, relative to fresh users."""
    cac: CacByMethod
    orders: Mapping[str, NDArray[np.int64]]
    """All creatives by method, best first."""
    sensitivity: Sensitivity
    rotations: Mapping[str, Rotation]
    verdict: Verdict

    @property
    def ranks(self) -> dict[str, NDArray[np.int64]]:
        """Rank of each creative by method, 1 the best."""
        return {method: ranks_of(order) for method, order in self.orders.items()}

    @property
    def ctr_adjusted(self) -> Floats:
        """The forecast's click rate, times the interest that repetition leaves."""
        return np.array([item.ctr for item in self.items]) * self.interest_left

    @property
    def cvr_adjusted(self) -> Floats:
        """Sign-ups per click that, at the forecast's click rate, explain the days that were tested; at most 1."""
        ctr = np.array([item.ctr for item in self.items])
        rate = self.arms.cost_per_impression / self.cac.of["thompson"][0]
        return np.asarray(np.minimum(1.0, rate / ctr))


def true_rates(items: Sequence[Item], seed: int) -> Floats:
    """Hidden sign-ups per impression [items]: the forecast's, times a log-normal factor as wide as its p10 to p90.

    An item's factor depends on the seed and its own name alone.
    """
    factors = [
        np.exp(item.signup_log_spread * np.random.default_rng((seed, _TRUTH, item.number)).standard_normal())
        for item in items
    ]
    ctr, cvr = rates(items)
    return np.asarray(np.minimum(_LARGEST_RATE, ctr * cvr * np.array(factors)))


def run_study(forecasts: Sequence[Item], baselines: Baselines, settings: Settings) -> Study:
    """The study of the twelve creatives with the highest ``p_win``.

    Raises ValueError if none of them wins an auction, which few rounds may bring about.
    """
    items = leading_items(forecasts)
    frequency = np.array([item.frequency for item in items])
    auction = simulate_items(items, settings.num_rounds, settings.seed)
    if not auction.totals.wins.any():
        raise ValueError(f"num_rounds must be so many that a creative wins an auction, got {settings.num_rounds}")
    cost = auction.expected_cpm / 1000.0
    stop_cac = settings.stop_ratio * np.array([item.cac.p50 for item in items])
    arms = Arms(cost, true_rates(items, settings.seed), stop_cac)
    days, budget = settings.num_days, float(settings.budget)
    tested = run(arms, budget, days, settings.seed, thompson_rule(arms, budget), settings.stop_probability)
    fitted = fit(baselines)
    left = interest_left(np.array([fitted.fatigue_rate]), np.array([fitted.fatigue_recovery]), frequency)[0]
    cac = _cac_by_method(items, auction, arms, tested, fitted, settings.seed)
    by_thompson, by_journeys = journey_ranking(arms, tested, fitted, frequency)
    orders = {
        "forecast": cheapest_first(cac.of["forecast"][0]),
        "auction": cheapest_first(cac.of["auction"][0]),
        "thompson": by_thompson,
        "journeys": by_journeys,
    }
    over_journeys = Arms(cost, arms.true_rate * left, stop_cac)
    return Study(
        settings,
        tuple(items),
        baselines,
        auction,
        arms,
        tested,
        fitted,
        left,
        cac,
        orders,
        sensitivity(items, settings.seed),
        rotations(over_journeys, orders, budget, days, settings.stop_probability, settings.seed),
        compare_slates(
            items,
            arms,
            tested,
            fitted,
            auction.cpm_log_error,
            by_thompson[:SLATE_SIZE],
            by_journeys[:SLATE_SIZE],
            settings.seed,
        ),
    )


def _cac_by_method(
    items: Sequence[Item], auction: AuctionResult, arms: Arms, tested: Run, fitted: Fit, seed: int
) -> CacByMethod:
    """Middle and interval of each method: the forecast's p10 to p90, of the others the middle 95 %."""
    forecast = np.array([[item.cac.p50, item.cac.p10, item.cac.p90] for item in items]).T
    half = 1.96 * auction.cac_error
    by_auction = np.stack([auction.cac, np.maximum(0.0, auction.cac - half), auction.cac + half])
    low, middle, high = cac_quantiles(arms, tested.a, tested.b)
    frequency = np.array([item.frequency for item in items])
    drawn = fitted.draws(NUM_DRAWS, seed + _INTERVALS)
    left = interest_left(drawn[:, -2], drawn[:, -1], frequency)
    rate = np.random.default_rng((seed, _INTERVALS)).beta(tested.a, tested.b, size=left.shape)
    at_fit = interest_left(np.array([fitted.fatigue_rate]), np.array([fitted.fatigue_recovery]), frequency)[0]
    journeys = np.concatenate(
        [(middle / at_fit)[None], np.quantile(arms.cost_per_impression / (rate * left), [0.025, 0.975], axis=0)]
    )
    return CacByMethod(
        {
            "forecast": forecast,
            "auction": by_auction,
            "thompson": np.stack([middle, low, high]),
            "journeys": journeys,
        }
    )
