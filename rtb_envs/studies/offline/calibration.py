"""Fits the persona model to placement baselines by its gradient: Fisher scoring on binomial counts.

Free are a log-scale of clicks and one of conversions for each placement, four dayparts (mean 1), and the rate and
recovery of fatigue; the persona table is fixed, because some ten rates cannot identify its sixty numbers. Where only a
placement's rates are known, dayparts stay at 1 and fatigue at its defaults.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from numpy.typing import NDArray

from rtb_envs import compile as compiling
from rtb_envs.studies.offline.baselines import NUM_EXPOSURES, Baselines
from rtb_envs.users.personas import (
    BRAND_LIFT,
    DAYPARTS,
    EXPECTED_ATTENTION,
    LEAST_INTEREST,
    MATCH_PROBABILITY,
    PERSONAS,
    PRICE_DOLLARS,
    fatigue_by_exposure,
)

DEFAULT_RATE, DEFAULT_RECOVERY = 0.28, 0.45
"""Click rates 1 : .847 : .787 : .728 at exposures 1, 2, 3, 5 (Criteo Attribution, within users) give about these."""
DEFAULT_SPREAD = (0.10, 0.15)
"""Standard deviations of both where they are not measured: campaigns lose between 23 % and 36 % of their clicks."""
_WEAK_PRIOR = (0.3, 0.3)
_WEAK_SCALE_PRIOR = 5.0
"""Of a log-scale, around the rate of all cells with half a success more: without a conversion there is no other end."""
_BASELINE_EXPOSURES = 3
"""A placement's plain rate is its mean over so many exposures."""
_NUM_DAYPARTS = len(DAYPARTS)
_NUM_SHARED = _NUM_DAYPARTS - 1 + 2
_MAX_STEPS, _TOLERANCE = 60, 1e-5
_LIMIT = 1e-3


@dataclass(frozen=True)
class Fit:
    """Estimates in the order of ``names``, with their covariance (an approximate normal posterior)."""

    names: tuple[str, ...]
    placements: tuple[str, ...]
    estimate: NDArray[np.float64]
    covariance: NDArray[np.float64]
    detailed: bool
    """Whether dayparts and fatigue are fitted; else they are at their defaults."""
    ctr: NDArray[np.float64]
    """Fitted click rate of each cell of the baselines [placements, dayparts, exposures]."""
    cvr: NDArray[np.float64]
    """Fitted conversions per click of each cell."""
    ctr_error: float
    """Root mean square of observed over fitted click rate, less 1; cells weighted by their impressions."""
    cvr_error: float
    """The same of conversions per click, cells weighted by their clicks."""
    ctr_noise: float
    """What ``ctr_error`` would be from the finite counts of the cells alone."""
    cvr_noise: float
    chi_square_per_freedom: float
    """Pearson's statistic over cells less fitted numbers: about 1 if the model is right; NaN without spare cells.

    Above 1 it multiplies the covariance, as counts that vary more than binomial ones ask for (McCullagh & Nelder,
    Generalized Linear Models, 1989, section 4.5): a model that fits badly knows less than its counts say.
    """

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Of each estimate; 0 for one that is fixed."""
        return np.sqrt(np.maximum(0.0, np.diag(self.covariance)))

    @property
    def dayparts(self) -> NDArray[np.float64]:
        """Click multipliers of the four dayparts, mean 1."""
        return self.estimate[-_NUM_DAYPARTS - 2 : -2]

    @property
    def fatigue_rate(self) -> float:
        """Share of the remaining interest that an exposure takes."""
        return float(self.estimate[-2])

    @property
    def fatigue_recovery(self) -> float:
        """Share of the fatigue that a day gives back."""
        return float(self.estimate[-1])

    def draws(self, number: int, seed: int) -> NDArray[np.float64]:
        """Dayparts, fatigue rate and recovery [number, 6] from the posterior, cut to where they have a meaning."""
        shared = slice(-_NUM_DAYPARTS - 2, None)
        random = np.random.default_rng(seed)
        drawn = random.multivariate_normal(
            self.estimate[shared], self.covariance[shared, shared], size=number, method="eigh", check_valid="ignore"
        )
        drawn[:, :_NUM_DAYPARTS] = np.maximum(drawn[:, :_NUM_DAYPARTS], _LIMIT)
        drawn[:, _NUM_DAYPARTS:] = np.clip(drawn[:, _NUM_DAYPARTS:], 0.0, 1.0)
        return drawn


def persona_weights() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected clicks and sign-ups [personas, dayparts] of a fresh user at quality 1 and scale 1, times the persona's
    share; devices are equally frequent and the match, which both formulas share, is averaged over."""
    affinity = PERSONAS.brand_affinity
    click = PERSONAS.share * PERSONAS.click_propensity * PERSONAS.device.mean(axis=1)
    clicks = (click * (1.0 + MATCH_PROBABILITY * affinity))[:, None] * PERSONAS.daypart
    matched = (1.0 + affinity) * (1.0 + BRAND_LIFT * affinity)
    brand = (1.0 - MATCH_PROBABILITY) + MATCH_PROBABILITY * matched
    affordable = 1.0 - PERSONAS.price_sensitivity * np.minimum(1.0, PRICE_DOLLARS / PERSONAS.budget_dollars)
    signup = click * brand * PERSONAS.conversion_rate * affordable * EXPECTED_ATTENTION
    return clicks, signup[:, None] * PERSONAS.daypart


def predicted_rates(free: Float[Array, " free"], num_placements: int) -> tuple[Array, Array]:
    """Click rates and conversions per click [placements, dayparts, exposures] of the model.

    ``free``: log click scales, log conversion scales [placements each], the first three dayparts, fatigue rate,
    recovery.
    """
    clicks, signups = (jnp.asarray(weights.sum(axis=0), jnp.float32) for weights in persona_weights())
    three, rate, recovery = free[2 * num_placements : -2], free[-2], free[-1]
    dayparts = jnp.append(three, _NUM_DAYPARTS - three.sum())
    interest = jnp.maximum(LEAST_INTEREST, 1.0 - fatigue_by_exposure(rate, recovery, NUM_EXPOSURES))
    click_scale, conversion_scale = jnp.exp(free[:num_placements]), jnp.exp(free[num_placements : 2 * num_placements])
    ctr = click_scale[:, None, None] * (clicks * dayparts)[:, None] * interest
    cvr = conversion_scale[:, None, None] * jnp.broadcast_to((signups / clicks)[:, None], ctr.shape[1:])
    return ctr, cvr


def _predict(free: Array, num_placements: int, detailed: bool) -> Array:
    """Click rates and conversions per click [2, placements, ...] of the cells of the baselines."""
    ctr, cvr = predicted_rates(free, num_placements)
    if not detailed:
        shown = ctr[:, :, :_BASELINE_EXPOSURES]
        cvr = (shown * cvr[:, :, :_BASELINE_EXPOSURES]).sum((1, 2), keepdims=True) / shown.sum((1, 2), keepdims=True)
        ctr = shown.mean((1, 2), keepdims=True)
    return jnp.stack([ctr, cvr])


@functools.cache
def _programs(num_placements: int, detailed: bool) -> tuple[Any, Any]:
    model = functools.partial(_predict, num_placements=num_placements, detailed=detailed)
    return compiling.jit(model), compiling.jit(jax.jacfwd(model))


def fit(baselines: Baselines) -> Fit:
    """Maximum likelihood, with weak priors on fatigue and scales, so that a recovery from no fatigue and a rate without
    a success have an answer."""
    num = len(baselines.placements)
    predict, jacobian = _programs(num, baselines.detailed)
    trials = np.stack([baselines.impressions, baselines.clicks])
    successes = np.stack([baselines.clicks, baselines.conversions])
    prior = np.zeros(2 * num + _NUM_SHARED)
    prior[: 2 * num] = 1.0 / np.square(_WEAK_SCALE_PRIOR)
    prior[-2:] = 1.0 / np.square(_WEAK_PRIOR)
    free = np.concatenate([np.zeros(2 * num), np.ones(_NUM_DAYPARTS - 1), [DEFAULT_RATE, DEFAULT_RECOVERY]])
    # Half a success more, so that a placement without one has a logarithm to begin from.
    rates = _rates(predict, free)
    overall = (successes.sum((2, 3)) + 0.5) / (rates * trials).sum((2, 3)).clip(0.5)
    free[: 2 * num] = np.log(overall).ravel()
    center = free.copy()
    varied = np.ones(len(free), bool)
    varied[2 * num :] = baselines.detailed

    def penalized(at: NDArray[np.float64]) -> float:
        return _log_likelihood(_rates(predict, at), successes, trials) - 0.5 * float(
            (prior * np.square(at - center)).sum()
        )

    value, information = penalized(free), np.zeros((len(free), len(free)))
    for _ in range(_MAX_STEPS):
        score, information = _score(_rates(predict, free), np.asarray(jacobian(free), np.float64), successes, trials)
        score -= prior * (free - center)
        information += np.diag(prior)
        step = np.zeros(len(free))
        step[varied] = np.linalg.solve(information[np.ix_(varied, varied)], score[varied])
        for _ in range(12):
            candidate = _inside(free + step)
            if (reached := penalized(candidate)) >= value:
                break
            step = step / 2
        else:
            break
        moved, free, value = np.abs(candidate - free).max(), candidate, reached
        if moved < _TOLERANCE:
            break
    return _described(baselines, free, information, varied, _rates(predict, free), successes, trials)


def _rates(predict: Any, free: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.asarray(predict(free.astype(np.float32)), np.float64), 1e-9, 1 - 1e-9)


def _log_likelihood(rate: NDArray[np.float64], successes: NDArray[np.float64], trials: NDArray[np.float64]) -> float:
    return float((successes * np.log(rate) + (trials - successes) * np.log1p(-rate)).sum())


def _score(
    rate: NDArray[np.float64], slope: NDArray[np.float64], successes: NDArray[np.float64], trials: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient of the binomial log-likelihood and its expected curvature."""
    variance = rate * (1.0 - rate)
    slope = slope.reshape(-1, slope.shape[-1])
    score = slope.T @ ((successes - trials * rate) / variance).ravel()
    return score, (slope * (trials / variance).reshape(-1, 1)).T @ slope


def _inside(free: NDArray[np.float64]) -> NDArray[np.float64]:
    """``free`` with dayparts positive and fatigue's numbers in [0, 1)."""
    inside = free.copy()
    three = np.maximum(inside[-_NUM_SHARED:-2], _LIMIT)
    inside[-_NUM_SHARED:-2] = three * min(1.0, (_NUM_DAYPARTS - _LIMIT) / three.sum())
    inside[-2:] = np.clip(inside[-2:], 0.0, 1.0 - _LIMIT)
    return inside


def _described(
    baselines: Baselines,
    free: NDArray[np.float64],
    information: NDArray[np.float64],
    varied: NDArray[np.bool_],
    rate: NDArray[np.float64],
    successes: NDArray[np.float64],
    trials: NDArray[np.float64],
) -> Fit:
    covariance = np.zeros_like(information)
    covariance[np.ix_(varied, varied)] = np.linalg.inv(information[np.ix_(varied, varied)])
    if not baselines.detailed:
        covariance[[-2, -1], [-2, -1]] = np.square(DEFAULT_SPREAD)
    # The fourth daypart is what the others leave of the sum.
    num_free = len(free)
    fourth = np.zeros(num_free)
    fourth[-_NUM_SHARED:-2] = -1.0
    expand = np.insert(np.eye(num_free), num_free - 2, fourth, axis=0)
    estimate = expand @ free
    estimate[-3] += _NUM_DAYPARTS
    weight = trials / np.maximum(1.0, trials.sum((1, 2, 3), keepdims=True))
    observed = np.divide(successes, trials, out=rate.copy(), where=trials > 0)
    error = np.sqrt((weight * np.square(observed / rate - 1.0)).sum((1, 2, 3)))
    noise = np.sqrt((weight * (1.0 - rate) / (rate * np.maximum(trials, 1.0))).sum((1, 2, 3)))
    pearson = (np.square(successes - trials * rate) / np.maximum(trials * rate * (1 - rate), 1e-12)).sum()
    freedom = int((trials > 0).sum()) - int(varied.sum())
    dispersion = float(pearson / freedom) if freedom > 0 else float("nan")
    if dispersion > 1.0:
        covariance *= dispersion
    names = [
        f"{kind} of {name}" for kind in ("log click scale", "log conversion scale") for name in baselines.placements
    ]
    names += [f"daypart {name}" for name in DAYPARTS] + ["fatigue rate", "fatigue recovery"]
    return Fit(
        names=tuple(names),
        placements=baselines.placements,
        estimate=estimate,
        covariance=expand @ covariance @ expand.T,
        detailed=baselines.detailed,
        ctr=rate[0],
        cvr=rate[1],
        ctr_error=float(error[0]),
        cvr_error=float(error[1]),
        ctr_noise=float(noise[0]),
        cvr_noise=float(noise[1]),
        chi_square_per_freedom=dispersion,
    )
