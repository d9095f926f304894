"""The verdict: does the journey-aware slate acquire customers at a lower cost than Thompson's, beyond doubt?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtb_envs.intervals import resamples
from rtb_envs.studies.offline.auction import numbers_of
from rtb_envs.studies.offline.calibration import Fit
from rtb_envs.studies.offline.forecasts import Item
from rtb_envs.studies.offline.journeys import simulate_slates
from rtb_envs.studies.offline.thompson import Arms, Run

SLATE_SIZE = 8
NUM_USERS = 5_000
NUM_RESAMPLES = 2_000
NUM_DRAWS = 200
KEEP = "keep Thompson Sampling"
SWITCH = "switch to the simulation-aware slate"
_USERS, _RATES, _FIT, _COSTS = 21, 22, 23, 24


@dataclass(frozen=True)
class Verdict:
    """CAC of both slates over held-out journeys, $ a sign-up; intervals hold the middle 95 % of the resamples."""

    switch: bool
    thompson_cac: tuple[float, float, float]
    """Median, 2.5 % and 97.5 % point."""
    journey_cac: tuple[float, float, float]
    gain: tuple[float, float, float]
    """Thompson's less the journey slate's, over pairs; a switch needs a lower end above 0."""
    same_slate: bool

    @property
    def decision(self) -> str:
        """What to do."""
        return SWITCH if self.switch else KEEP


def compare_slates(
    items: Sequence[Item],
    arms: Arms,
    tested: Run,
    fitted: Fit,
    cost_log_error: NDArray[np.float64],
    thompson_slate: NDArray[np.int64],
    journey_slate: NDArray[np.int64],
    seed: int,
    num_users: int = NUM_USERS,
) -> Verdict:
    """Both slates (indices into ``items``), their budget in equal parts, before the same ``num_users`` held-out users.

    Each of 2,000 resamples of the users goes with one of 200 draws of what is not known for certain: the fit's
    posterior, the sign-up rates as they are known after Thompson's days, and the costs of an impression, of whose
    logarithm ``cost_log_error`` [creatives] is the standard error. So luck of users, of the fit, of the test and of the
    auctions are all in the interval of the gain. Costs are drawn apart from each other; that creatives meet the same
    rivals makes their costs err together, so the interval is rather too wide than too narrow.
    """
    slates = [thompson_slate, journey_slate]
    random = np.random.default_rng((seed, _RATES))
    rate = random.beta(tested.a, tested.b, size=(NUM_DRAWS, len(items)))
    error = np.random.default_rng((seed, _COSTS)).standard_normal((NUM_DRAWS, len(items)))
    cost_factor = np.exp(np.nan_to_num(cost_log_error) * error)
    shares = np.zeros((len(items), len(slates)))
    for index, slate in enumerate(slates):
        shares[slate, index] = 1.0 / len(slate)
    cost = np.where(np.isfinite(arms.cost_per_impression), arms.cost_per_impression, np.inf)
    per_dollar = (rate / (cost * cost_factor))[:, :, None] * shares
    frequency = np.array([item.frequency for item in items])
    drawn = fitted.draws(NUM_DRAWS, seed + _FIT)
    signups = simulate_slates(seed + _USERS, num_users, numbers_of(items), frequency, drawn, per_dollar)
    chosen = resamples(num_users, NUM_RESAMPLES)
    draw = np.arange(NUM_RESAMPLES) % NUM_DRAWS
    cac = 1.0 / np.stack([signups[draw[:, None], chosen, slate].mean(axis=1) for slate in range(len(slates))])
    gain = cac[0] - cac[1]
    same = set(thompson_slate.tolist()) == set(journey_slate.tolist())
    interval = _points(gain)
    # The two sums of one slate differ by their rounding.
    return Verdict(bool(interval[1] > 0.0) and not same, _points(cac[0]), _points(cac[1]), interval, same)


def _points(values: NDArray[np.float64]) -> tuple[float, float, float]:
    middle, low, high = np.quantile(values, [0.5, 0.025, 0.975])
    return float(middle), float(low), float(high)
