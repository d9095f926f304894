"""Synthetic studies with a known truth: how often the verdict is right, where journeys matter and where they do not.

``python -m rtb_envs.studies.offline.synthetic`` plays 200 of each kind and prints the counts (some ten minutes).
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rtb_envs.studies.offline.auction import simulate_items
from rtb_envs.studies.offline.baselines import NUM_EXPOSURES, Baselines, example_baselines
from rtb_envs.studies.offline.calibration import fit, predicted_rates
from rtb_envs.studies.offline.forecasts import NUM_ITEMS, Item, Quantiles
from rtb_envs.studies.offline.journeys import interest_left, journey_ranking
from rtb_envs.studies.offline.thompson import NUM_DAYS, Arms, run, slate_rule, thompson_rule
from rtb_envs.studies.offline.verdict import SLATE_SIZE, Verdict, compare_slates
from rtb_envs.users.personas import DAYPARTS

DAILY_BUDGET = 30_000.0
NUM_STUDIES = 200
_CELL_IMPRESSIONS = 200_000
_NUM_ROUNDS = 4096


def planted_baselines(
    seed: int, dayparts: tuple[float, ...], fatigue_rate: float, fatigue_recovery: float, num_placements: int = 5
) -> tuple[Baselines, NDArray[np.float64]]:
    """Counts drawn from the persona model, and the numbers they were drawn with, in the order of ``Fit.names``."""
    random = np.random.default_rng(seed)
    scales = np.concatenate(
        [random.uniform(np.log(0.08), np.log(0.25), num_placements), random.uniform(-3.0, -1.5, num_placements)]
    )
    free = np.concatenate([scales, dayparts[:3], [fatigue_rate, fatigue_recovery]])
    ctr, cvr = (
        np.asarray(rate, np.float64) for rate in predicted_rates(jnp.asarray(free, jnp.float32), num_placements)
    )
    impressions = np.full((num_placements, len(DAYPARTS), NUM_EXPOSURES), _CELL_IMPRESSIONS)
    clicks = random.binomial(impressions, ctr)
    conversions = random.binomial(clicks, cvr)
    names = tuple(f"placement {index + 1}" for index in range(num_placements))
    shown, clicked, converted = (np.asarray(count, np.float64) for count in (impressions, clicks, conversions))
    baselines = Baselines(names, np.full(num_placements, 90.0), shown, clicked, converted, True, False)
    return baselines, np.concatenate([scales, dayparts, [fatigue_rate, fatigue_recovery]])


def synthetic_items(seed: int, frequencies: NDArray[np.float64]) -> list[Item]:
    """Creatives whose forecast rates vary, a ``frequencies`` entry each; every sign-up forecast has the same spread."""
    random = np.random.default_rng(seed)
    items = []
    for index, frequency in enumerate(frequencies):
        impressions, ctr, cvr = 500_000.0, random.uniform(0.01, 0.04), random.uniform(0.03, 0.08)
        clicks, signups = impressions * ctr, impressions * ctr * cvr
        items.append(
            Item(
                f"creative-{index + 1:02d}",
                float(random.uniform()),
                _spread(impressions, 1.2),
                _spread(clicks, 1.3),
                _spread(signups, 1.5),
                _spread(DAILY_BUDGET / signups, 1.5),
                reach=_spread(impressions / frequency, 1.2),
            )
        )
    return items


def _spread(median: float, ratio: float) -> Quantiles:
    return Quantiles(median / ratio, median, median * ratio)


@dataclass(frozen=True)
class Outcome:
    """A synthetic study's verdict, and what its two slates truly cost, $ a sign-up."""

    verdict: Verdict
    thompson_cac: float
    journey_cac: float


def play(
    seed: int,
    *,
    fatigue_rate: float,
    fatigue_recovery: float,
    frequencies: NDArray[np.float64],
    baselines: Baselines | None = None,
) -> Outcome:
    """One study from baselines and three days of Thompson Sampling to the verdict.

    ``baselines`` are those that the study is given, None for counts that measure how users truly tire.
    """
    random = np.random.default_rng((seed, 1))
    parts = random.uniform(0.6, 1.4, len(DAYPARTS))
    if baselines is None:
        dayparts = tuple(float(part) for part in parts / parts.mean())
        baselines, _ = planted_baselines(seed, dayparts, fatigue_rate, fatigue_recovery)
    items = synthetic_items(seed, frequencies)
    auction = simulate_items(items, _NUM_ROUNDS, seed)
    forecast_rate = np.array([item.ctr * item.cvr for item in items])
    cost = auction.expected_cpm / 1000.0
    rate = np.minimum(0.5, forecast_rate * np.exp(0.3 * random.standard_normal(len(items))))
    arms = Arms(cost, rate, np.full(len(items), np.inf))
    tested = run(arms, DAILY_BUDGET, NUM_DAYS, seed, thompson_rule(arms, DAILY_BUDGET))
    fitted = fit(baselines)
    shown = np.array([item.frequency for item in items])
    by_thompson, by_journeys = journey_ranking(arms, tested, fitted, shown)
    slates = by_thompson[:SLATE_SIZE], by_journeys[:SLATE_SIZE]
    verdict = compare_slates(items, arms, tested, fitted, auction.cpm_log_error, *slates, seed)
    true_interest = interest_left(np.array([fatigue_rate]), np.array([fatigue_recovery]), shown)[0]

    def true_cac(slate: NDArray[np.int64]) -> float:
        # In one order, so that two orders of one slate cost the same to the last bit.
        return float(len(slate) / (rate * true_interest / cost)[np.sort(slate)].sum())

    return Outcome(verdict, *map(true_cac, slates))


def _over_and_over(seed: int) -> NDArray[np.float64]:
    """Frequencies where half of the creatives are shown to few users again and again."""
    return np.random.default_rng((seed, 2)).permutation(np.repeat([1.2, 7.5], NUM_ITEMS // 2))


def with_effect(seed: int) -> Outcome:
    """Users tire fast and hardly recover, and half of the creatives are shown to few users over and over."""
    return play(seed, fatigue_rate=0.6, fatigue_recovery=0.05, frequencies=_over_and_over(seed))


def without_effect(seed: int) -> Outcome:
    """Odd seeds: nobody tires. Even seeds: users tire, but of every creative alike."""
    if seed % 2:
        frequencies = np.random.default_rng((seed, 2)).uniform(1.0, 8.0, NUM_ITEMS)
        return play(seed, fatigue_rate=0.0, fatigue_recovery=0.4, frequencies=frequencies)
    return play(seed, fatigue_rate=0.45, fatigue_recovery=0.15, frequencies=np.full(NUM_ITEMS, 3.0))


def without_effect_by_default(seed: int) -> Outcome:
    """Nobody tires, but the study is given its default baselines, which do not measure that: it holds that users do,
    and changes its slate for nothing. ``without_effect`` measures it, and hardly ever has a slate to switch to."""
    frequencies, baselines = _over_and_over(seed), example_baselines()
    return play(seed, fatigue_rate=0.0, fatigue_recovery=0.4, frequencies=frequencies, baselines=baselines)


def between_equals(seed: int) -> Verdict:
    """Two slates that share half of their creatives, all of which are equally good in truth: only luck tells them
    apart, and the verdict must not take it for a gain more often than it says."""
    items = synthetic_items(seed, np.full(NUM_ITEMS, 3.0))
    arms = Arms(np.full(NUM_ITEMS, 0.06), np.full(NUM_ITEMS, 0.001), np.full(NUM_ITEMS, np.inf))
    everyone = np.arange(NUM_ITEMS)
    tested = run(arms, DAILY_BUDGET, NUM_DAYS, seed, slate_rule(everyone, DAILY_BUDGET))
    fitted = fit(planted_baselines(seed, (1.0, 1.0, 1.0, 1.0), 0.3, 0.4)[0])
    slates = everyone[:SLATE_SIZE], everyone[-SLATE_SIZE:]
    return compare_slates(items, arms, tested, fitted, np.zeros(NUM_ITEMS), *slates, seed)


def main(num_studies: int = NUM_STUDIES) -> None:
    """Play the studies of all kinds and print how they were judged."""
    kinds = {
        "without an effect": without_effect,
        "without an effect, on default baselines": without_effect_by_default,
        "with an effect": with_effect,
    }
    for name, kind in kinds.items():
        outcomes = [kind(seed) for seed in range(num_studies)]
        differ = sum(not outcome.verdict.same_slate for outcome in outcomes)
        switched = sum(outcome.verdict.switch for outcome in outcomes)
        better = sum(outcome.journey_cac < outcome.thompson_cac for outcome in outcomes)
        gain = np.mean([outcome.thompson_cac - outcome.journey_cac for outcome in outcomes])
        print(
            f"{num_studies} studies {name}: the slates differ in {differ}; {switched} say switch; the journey slate is "
            f"truly cheaper in {better}, by {gain:.2f} $ a sign-up on average",
            flush=True,
        )
    lucky = sum(between_equals(seed).switch for seed in range(num_studies))
    print(f"{num_studies} studies of two equally good slates: {lucky} say switch")


if __name__ == "__main__":
    main()
