"""What an advertiser asks of a campaign that has ended: value against the optimum, and how the budget was spent.

Plain functions over NumPy arrays in float64. An episode is a campaign; arrays lead with any batch axes, spend by step
has the steps as its last axis. Values are conversions, clicks or whatever was bid for; money is in one unit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb_envs import validation

Floats = npt.NDArray[np.float64]
FloatsLike = npt.ArrayLike


def competitive_ratio(value: FloatsLike, optimum: FloatsLike) -> float:
    """Sum of ``value`` over sum of ``optimum``, R/R*: episodes count by their worth; 0 for no optimum."""
    total = float(np.sum(optimum, dtype=np.float64))
    return float(np.sum(value, dtype=np.float64)) / total if total > 0 else 0.0


def regret_per_root_round(value: FloatsLike, optimum: FloatsLike, rounds: FloatsLike) -> Floats:
    """(R* - R) / sqrt(T): bounded in T for a rule whose regret grows with the square root (Balseiro & Gur, 2019).

    ``rounds`` T >= 1 are the auctions of the episode.
    """
    if not (np.asarray(rounds) >= 1).all():
        raise validation.wrong_value("rounds", "at least 1", rounds)
    missed = np.asarray(optimum, np.float64) - np.asarray(value, np.float64)
    regret: Floats = missed / np.sqrt(np.asarray(rounds, np.float64))
    return regret


def budget_use(spend_by_step: FloatsLike, budget: FloatsLike) -> Floats:
    """The share of ``budget`` > 0 that an episode spends."""
    return _spent_share(spend_by_step, budget)[..., -1]


def pacing_error(spend_by_step: FloatsLike, budget: FloatsLike, planned_share: FloatsLike) -> Floats:
    """Root mean square over steps of the difference between spent and planned share of the budget at each step's end.

    ``planned_share`` [steps] rises to 1; see ``traffic_plan``.
    """
    difference = _spent_share(spend_by_step, budget) - np.asarray(planned_share, np.float64)
    error: Floats = np.sqrt(np.mean(difference**2, axis=-1))
    return error


def traffic_plan(volume: FloatsLike) -> Floats:
    """The share of an episode's traffic seen by the end of each step.

    ``volume`` >= 0 [steps] are the auctions of each step; ValueError unless their sum is positive.
    """
    traffic = np.asarray(volume, np.float64)
    if not traffic.sum() > 0:
        raise validation.wrong_value("volume", "with a positive sum", volume)
    plan: Floats = np.cumsum(traffic) / traffic.sum()
    return plan


def quick_spend(
    spend_by_step: FloatsLike, budget: FloatsLike, share: float = 0.9, until: float = 0.5
) -> npt.NDArray[np.bool_]:
    """Whether an episode spends ``share`` of its budget before the share ``until`` of its steps is over."""
    spent = _spent_share(spend_by_step, budget)
    steps = int(np.floor(until * spent.shape[-1]))
    quick: npt.NDArray[np.bool_] = spent[..., :steps].max(axis=-1, initial=0.0) >= share
    return quick


def depletion_time(spend_by_step: FloatsLike, budget: FloatsLike, share: float = 0.99) -> Floats:
    """The share of the episode's steps that has passed when ``share`` of the budget is spent; 1 where it never is."""
    spent = _spent_share(spend_by_step, budget)
    reached = spent >= share
    steps = np.where(reached.any(axis=-1), reached.argmax(axis=-1) + 1, spent.shape[-1])
    time: Floats = steps / spent.shape[-1]
    return time


def cost_per_action_excess(cost: FloatsLike, actions: FloatsLike, target: FloatsLike) -> Floats:
    """max(0, CPA / target - 1) for CPA = cost / actions; a cost without any action counts as one action."""
    cost_per_action = np.asarray(cost, np.float64) / np.maximum(np.asarray(actions, np.float64), 1.0)
    excess: Floats = np.maximum(cost_per_action / _positive("target", target) - 1.0, 0.0)
    return excess


def auctionnet_score(value: FloatsLike, cost: FloatsLike, actions: FloatsLike, target: FloatsLike) -> Floats:
    """value * min(1, (target / CPA)**2), the score of AuctionNet (Su et al., NeurIPS 2024); CPA = cost / actions.

    An episode without cost keeps its value.
    """
    cost, actions = np.asarray(cost, np.float64), np.asarray(actions, np.float64)
    # target / CPA = target * actions / cost
    kept = _positive("target", target) * actions / np.where(cost > 0, cost, 1.0)
    score: Floats = np.asarray(value, np.float64) * np.where(cost > 0, np.minimum(kept, 1.0) ** 2, 1.0)
    return score


def gini(amount: FloatsLike) -> float:
    """The Gini coefficient of amounts >= 0, in [0, 1 - 1/n]: 0 where all are equal (or all are 0)."""
    ordered = np.sort(np.asarray(amount, np.float64).ravel())
    total = ordered.sum()
    if total <= 0:
        return 0.0
    rank = np.arange(1, ordered.size + 1)
    return float(((2 * rank - ordered.size - 1) * ordered).sum() / (ordered.size * total))


def herfindahl_hirschman(amount: FloatsLike) -> float:
    """The Herfindahl-Hirschman index of amounts >= 0: the sum of squared shares, in [1/n, 1]; 0 where all are 0."""
    amounts = np.asarray(amount, np.float64).ravel()
    total = amounts.sum()
    return float(((amounts / total) ** 2).sum()) if total > 0 else 0.0


class Estimate(NamedTuple):
    """A point estimate with the ends of its percentile interval."""

    estimate: float
    low: float
    high: float


def interquartile_mean(values: FloatsLike, axis: int = -1) -> Floats:
    """The mean of the middle half of ``values`` along ``axis``, whole entries: a quarter is cut off at either end.

    Less noisy than the median and, unlike the mean, indifferent to outliers (Agarwal et al., NeurIPS 2021).
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=axis)
    count = ordered.shape[axis]
    cut = count // 4
    middle: Floats = np.take(ordered, np.arange(cut, count - cut), axis=axis).mean(axis=axis)
    return middle


def stratified_interquartile_mean(
    scores: FloatsLike, num_samples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """The interquartile mean of all ``scores`` [tasks, runs], with a bootstrap interval over the runs of each task.

    Runs are resampled within each task, as Agarwal et al. (NeurIPS 2021) do, by the same indices at every call with the
    same shape. Raises ValueError for fewer than 2 runs.
    """
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or table.shape[0] < 1:
        raise validation.wrong_value("scores", "an array [tasks, runs] of at least 2 runs", table.shape)
    random = np.random.default_rng(seed)
    chosen = random.integers(table.shape[1], size=(num_samples, *table.shape))
    samples = np.take_along_axis(table[None], chosen, axis=-1).reshape(num_samples, -1)
    low, high = np.quantile(interquartile_mean(samples), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(interquartile_mean(table.ravel())), float(low), float(high))


def _spent_share(spend_by_step: FloatsLike, budget: FloatsLike) -> Floats:
    """The share of the budget that is spent by the end of each step."""
    spend, budget = np.asarray(spend_by_step, np.float64), _positive("budget", budget)
    if spend.ndim < 1 or spend.shape[-1] < 1:
        raise ValueError(f"spend_by_step: got shape {spend.shape}, the last axis must hold at least one step")
    try:
        budget = np.broadcast_to(budget, spend.shape[:-1])
    except ValueError:
        raise ValueError(f"budget: got shape {budget.shape}, must broadcast to {spend.shape[:-1]}") from None
    share: Floats = np.cumsum(spend, axis=-1) / budget[..., None]
    return share


def _positive(name: str, value: FloatsLike) -> Floats:
    numbers = np.asarray(value, np.float64)
    if not (numbers > 0).all():
        raise validation.wrong_value(name, "positive", numbers)
    return numbers
