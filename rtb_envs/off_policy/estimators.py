"""Estimators of a target policy's mean return from episodes of a behaviour policy, as pure functions over arrays.

Arrays are [episodes, steps], with zeros after an episode's end. ``log_ratio`` is, step by step, the logarithm of the
target's propensity of the logged action over the behaviour's; -inf where the target never takes it. ``discount`` in
[0, 1] weighs the reward of step t by discount**t. All is computed in float64. Where ratios are only compared with one
another (the weighted estimator, the effective sample size) they may be of any size; the other estimators raise
ValueError for a product of ratios above the largest float64, some exp(709).

Sources: Precup, Sutton and Singh, "Eligibility Traces for Off-Policy Policy Evaluation", ICML 2000 (importance
sampling, weighted and per decision); Jiang and Li, "Doubly Robust Off-policy Value Evaluation for Reinforcement
Learning", ICML 2016; Thomas and Brunskill, "Data-Efficient Off-Policy Policy Evaluation for Reinforcement Learning",
ICML 2016 (the doubly robust estimator as one sum).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtb_envs import validation

FloatArray = npt.NDArray[np.float64]
_LARGEST_LOG = float(np.log(np.finfo(np.float64).max))


class Contributions(NamedTuple):
    """What each episode contributes [episodes]; the estimate is the ratio of the two means, whatever their scale."""

    value: FloatArray
    weight: FloatArray
    """1 for the estimators that are plain means."""

    @property
    def estimate(self) -> float:
        """The estimated mean return; NaN if all weights are 0."""
        total = self.weight.sum()
        return float(self.value.sum() / total) if total > 0 else float("nan")


def importance_sampling(log_ratio: Any, reward: Any, discount: float = 1.0) -> Contributions:
    """Returns, each times the ratio of the whole episode; unbiased, with a variance that grows fast in the length.

    Raises ValueError for arrays of other shapes, values that are not finite, ratios whose product is too large for
    float64, or another ``discount``.
    """
    weight, discounted = _weighed(log_ratio, reward, discount)
    return _plain_mean(weight[:, -1] * discounted.sum(axis=1))


def weighted_importance_sampling(log_ratio: Any, reward: Any, discount: float = 1.0) -> Contributions:
    """Importance sampling divided by the mean ratio instead of by 1: biased, but consistent and of smaller variance.

    Weights are relative to the largest, so that ratios may be of any size. Otherwise raises what
    ``importance_sampling`` raises.
    """
    log_weight, discounted = _checked(log_ratio, reward, discount)
    weight = _relative(log_weight[:, -1])
    return Contributions(weight * discounted.sum(axis=1), weight)


def per_decision_importance_sampling(log_ratio: Any, reward: Any, discount: float = 1.0) -> Contributions:
    """Rewards, each times the ratio of the steps up to its own, as later actions do not change it; unbiased.

    Raises what ``importance_sampling`` raises.
    """
    weight, discounted = _weighed(log_ratio, reward, discount)
    return _plain_mean((weight * discounted).sum(axis=1))


def doubly_robust(
    log_ratio: Any, reward: Any, action_value: Any, state_value: Any, discount: float = 1.0
) -> Contributions:
    """A model's value of the first state, corrected by what rewards differ from the model, per decision.

    ``action_value`` is the model's Q of each logged step, ``state_value`` the mean of Q over the target's actions
    there, both 0 after an episode's end. With w_t the ratio up to step t and w_{-1} = 1, an episode contributes

        sum over t of discount**t * (w_t * (reward_t - action_value_t) + w_{t-1} * state_value_t).

    Unbiased whatever the model, provided that it was fitted on other episodes; without noise where it is exact in a
    deterministic market. With a model of zeros it is per-decision importance sampling. Raises what
    ``importance_sampling`` raises.
    """
    weight, discounted = _weighed(log_ratio, reward, discount)
    factor = discount ** np.arange(weight.shape[1])
    taken, state = (
        factor * validation.array(name, values, [weight.shape])
        for name, values in (("action_value", action_value), ("state_value", state_value))
    )
    before = np.concatenate([np.ones((len(weight), 1)), weight[:, :-1]], axis=1)
    return _plain_mean((weight * (discounted - taken) + before * state).sum(axis=1))


def effective_sample_size(log_ratio: Any) -> float:
    """How many episodes of the target itself would tell as much: (sum w)**2 / sum w**2 of the episodes' ratios (Kish,
    Survey Sampling, 1965); 0 if all are 0.
    """
    weight = _relative(_cumulative(log_ratio)[:, -1])
    squares = float((weight**2).sum())
    return float(weight.sum() ** 2 / squares) if squares > 0 else 0.0


def _plain_mean(value: FloatArray) -> Contributions:
    return Contributions(value, np.ones_like(value))


def _weighed(log_ratio: Any, reward: Any, discount: float) -> tuple[FloatArray, FloatArray]:
    """The ratios up to each step, and the rewards with their discount."""
    log_weight, discounted = _checked(log_ratio, reward, discount)
    too_large = log_weight > _LARGEST_LOG
    if too_large.any():
        episode, step = (int(i) for i in np.argwhere(too_large)[0])
        raise ValueError(
            f"log_ratio must sum to at most {_LARGEST_LOG:.2f} up to each step (float64 holds no larger ratio), "
            f"got {log_weight[episode, step]:g} in episode {episode} up to step {step}"
        )
    return np.exp(log_weight), discounted


def _checked(log_ratio: Any, reward: Any, discount: float) -> tuple[FloatArray, FloatArray]:
    """The logarithms of the ratios up to each step, and the rewards with their discount."""
    discount = validation.number("discount", discount, 0, 1)
    log_weight = _cumulative(log_ratio)
    factor = discount ** np.arange(log_weight.shape[1])
    return log_weight, validation.array("reward", reward, [log_weight.shape]) * factor


def _relative(log_weight: FloatArray) -> FloatArray:
    """Weights over the largest of them; all 0 if that is 0."""
    largest = log_weight.max()
    relative: FloatArray = np.exp(log_weight - largest) if largest > -np.inf else np.zeros_like(log_weight)
    return relative


def _cumulative(log_ratio: Any) -> FloatArray:
    ratio = np.asarray(log_ratio, np.float64)
    if ratio.ndim != 2 or not ratio.size:
        raise ValueError(f"log_ratio must have shape (episodes, steps), both at least 1, got shape {ratio.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        cumulative: FloatArray = np.cumsum(ratio, axis=1)
    if not (cumulative < np.inf).all():  # NaN included
        raise ValueError("log_ratio must hold numbers below infinity: every logged action has a positive propensity")
    return cumulative
