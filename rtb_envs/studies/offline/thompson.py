"""Thompson Sampling over creatives, a day at a time, and the fixed slates it is compared with, under one stop rule.

Sign-ups per impression have a Beta posterior (Thompson, Biometrika 25, 1933; batched by day). Outcomes come from hidden
true rates, never from the posterior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtb_envs import validation

Floats = NDArray[np.float64]
POSTERIOR_DRAWS = 1000
CAP_SHARE = 0.2
STOP_CAC_RATIO, STOP_PROBABILITY = 1.25, 0.5
NUM_DAYS = 3


@dataclass(frozen=True)
class Arms:
    """The creatives of a run, an entry each; one that is not for sale (``cost_per_impression`` NaN) is left out."""

    cost_per_impression: Floats
    """$, > 0."""
    true_rate: Floats
    """Hidden sign-ups per impression, in (0, 1)."""
    stop_cac: Floats
    """A creative whose CAC probably exceeds this is stopped, $ a sign-up; infinite for no stop rule."""


@dataclass(frozen=True)
class Run:
    """The days of a run; arrays [creatives] unless stated."""

    a: Floats
    """Beta posterior of sign-ups per impression: 1 + sign-ups."""
    b: Floats
    """1 + impressions without a sign-up."""
    allocation: NDArray[np.float64]
    """Spend, $ [days, creatives]."""
    impressions: NDArray[np.int64]
    signups: NDArray[np.int64]
    stopped_on: NDArray[np.int64]
    """Index of the day after which a creative was stopped, -1 for never."""
    regret: Floats
    """Expected sign-ups lost each day [days] against the best allocation of the true rates under the cap of the day."""

    @property
    def spend(self) -> Floats:
        """Spend of all days, $."""
        return np.asarray(self.allocation.sum(axis=0))


def cap_of(num_creatives: int, daily_budget: float) -> float:
    """The most a creative is given a day, $: max(.2, 1/N) of the budget."""
    return max(CAP_SHARE, 1.0 / max(1, num_creatives)) * daily_budget


def fill_in_order(order: NDArray[np.int64], may_spend: NDArray[np.bool_], cap: float, budget: float) -> Floats:
    """Spend [..., creatives]: in each ``order`` [..., creatives] of creatives, best first, those who may spend get the
    cap until the budget is spent."""
    allowed = np.where(may_spend[order], cap, 0.0)
    before = np.cumsum(allowed, axis=-1) - allowed
    given = np.minimum(allowed, np.maximum(0.0, budget - before))
    spend = np.zeros(order.shape)
    np.put_along_axis(spend, order, given, axis=-1)
    return spend


def best_allocation(arms: Arms, daily_budget: float, cap: float | None = None) -> Floats:
    """The allocation [creatives] of one day, $, with the most expected sign-ups at the true rates.

    No creative is given more than ``cap`` $; None is the cap where all that are for sale are running.
    """
    for_sale = np.isfinite(arms.cost_per_impression)
    per_dollar = np.where(for_sale, arms.true_rate / arms.cost_per_impression, -np.inf)
    order = np.argsort(-per_dollar, kind="stable")
    cap = cap_of(int(for_sale.sum()), daily_budget) if cap is None else cap
    return fill_in_order(order, for_sale, cap, daily_budget)


def expected_signups(arms: Arms, spend: Floats) -> float:
    """Expected sign-ups of a day's ``spend`` [creatives] at the true rates."""
    impressions = np.where(spend > 0, spend / arms.cost_per_impression, 0.0)
    return float((impressions * arms.true_rate).sum())


Allocate = Callable[[np.random.Generator, Floats, Floats, NDArray[np.bool_]], Floats]
"""(draws, posterior a, posterior b, who may spend) -> spend of the day [creatives], $."""


def thompson_rule(arms: Arms, daily_budget: float, num_draws: int = POSTERIOR_DRAWS) -> Allocate:
    """The average over ``num_draws`` joint posterior draws, each giving the cap to its best creatives in order.

    A split merely proportional to the draws would go on paying every creative: its regret is linear.
    """

    def allocate(random: np.random.Generator, a: Floats, b: Floats, may_spend: NDArray[np.bool_]) -> Floats:
        per_dollar = random.beta(a, b, size=(num_draws, len(a))) / arms.cost_per_impression
        order = np.argsort(-np.where(may_spend, per_dollar, -np.inf), axis=1, kind="stable")
        cap = cap_of(int(may_spend.sum()), daily_budget)
        return np.asarray(fill_in_order(order, may_spend, cap, daily_budget).mean(axis=0))

    return allocate


def slate_rule(slate: NDArray[np.int64], daily_budget: float) -> Allocate:
    """Equal parts of the budget to those of a fixed ``slate`` that have not been stopped, at most the cap each."""

    def allocate(random: np.random.Generator, a: Floats, b: Floats, may_spend: NDArray[np.bool_]) -> Floats:
        running = slate[may_spend[slate]]
        spend = np.zeros(len(a))
        if len(running):
            spend[running] = min(daily_budget / len(running), cap_of(len(running), daily_budget))
        return spend

    return allocate


def run(
    arms: Arms,
    daily_budget: float,
    num_days: int,
    seed: int,
    allocate: Allocate,
    stop_probability: float = STOP_PROBABILITY,
) -> Run:
    """Spend ``daily_budget`` $ a day for ``num_days`` by ``allocate``, from Beta(1, 1).

    Sign-ups of day d are binomial in the impressions bought that day. After each day a creative that was shown is
    stopped when P(CAC > stop_cac) > ``stop_probability`` under its posterior, for good; if that is true of all that are
    left, the one with the lowest cost of an expected sign-up goes on.
    Raises ValueError for a budget that is not positive or fewer than one day.
    """
    validation.number("daily_budget", daily_budget, 0.0, 1e12, open_low=True)
    validation.integer("num_days", num_days, 1, 100_000)
    random = np.random.default_rng(seed)
    num = len(arms.true_rate)
    a, b = np.ones(num), np.ones(num)
    may_spend = np.isfinite(arms.cost_per_impression)
    stopped_on = np.full(num, -1)
    impressions, signups = np.zeros(num, np.int64), np.zeros(num, np.int64)
    allocation, regret = np.zeros((num_days, num)), np.zeros(num_days)
    for day in range(num_days):
        spend = allocate(random, a, b, may_spend)
        # The cap rises as creatives are stopped, so the best of the day has the cap that the rule has.
        cap = max(cap_of(int(may_spend.sum()), daily_budget), float(spend.max()))
        best = expected_signups(arms, best_allocation(arms, daily_budget, cap))
        shown = np.where(spend > 0, spend / arms.cost_per_impression, 0.0).astype(np.int64)
        converted = random.binomial(shown, arms.true_rate)
        a, b = a + converted, b + shown - converted
        impressions, signups = impressions + shown, signups + converted
        allocation[day], regret[day] = spend, best - expected_signups(arms, spend)
        stop = may_spend & (impressions > 0) & (_probability_of_excess(arms, a, b) > stop_probability)
        if stop.any() and stop.sum() == may_spend.sum():
            stop[np.argmin(np.where(stop, arms.cost_per_impression * (a + b) / a, np.inf))] = False
        may_spend = may_spend & ~stop
        stopped_on[stop] = day
    return Run(a, b, allocation, impressions, signups, stopped_on, regret)


def _probability_of_excess(arms: Arms, a: Floats, b: Floats) -> Floats:
    """P(cost per impression / rate > stop_cac), rate ~ Beta(a, b); 0 for a creative that is not for sale."""
    from scipy.special import betainc

    threshold = np.clip(np.nan_to_num(arms.cost_per_impression / arms.stop_cac), 0.0, 1.0)
    return np.asarray(betainc(a, b, threshold))


def cac_quantiles(arms: Arms, a: Floats, b: Floats) -> NDArray[np.float64]:
    """2.5 %, 50 % and 97.5 % points of each creative's CAC under its posterior, $ a sign-up [3, creatives]."""
    from scipy.special import betaincinv

    rate = np.stack([betaincinv(a, b, level) for level in (0.975, 0.5, 0.025)])
    return np.asarray(arms.cost_per_impression / np.maximum(rate, np.finfo(np.float64).tiny))


def wasted_spend(arms: Arms, result: Run) -> float:
    """$ spent on creatives whose true CAC exceeds what they are stopped at: what a stop came too late for."""
    too_dear = arms.cost_per_impression / arms.true_rate > arms.stop_cac
    return float(result.spend[too_dear].sum())
