"""All estimators on one log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rtb_envs import validation
from rtb_envs.logs.episode_log import AnyArray, EpisodeLog
from rtb_envs.off_policy import q_model
from rtb_envs.off_policy.estimators import (
    Contributions,
    FloatArray,
    doubly_robust,
    effective_sample_size,
    importance_sampling,
    per_decision_importance_sampling,
    weighted_importance_sampling,
)
from rtb_envs.off_policy.intervals import Estimate, bootstrap
from rtb_envs.off_policy.target import Alternatives, follow
from rtb_envs.policies.stochastic import StochasticPolicy

if TYPE_CHECKING:
    import polars

FOLDS = 2
"""Parts of the log: the model of each is fitted on the others, so that the doubly robust estimate stays unbiased."""


@dataclass(frozen=True)
class Evaluation:
    """Estimates of a target policy's mean (discounted) return from one log."""

    env_id: str
    num_episodes: int
    effective_sample_size: float
    """Episodes of the target itself that importance ratios of whole episodes leave; see ``estimators``."""
    logged_return: Estimate
    """What the behaviour policy earned in the log."""
    estimates: dict[str, Estimate]
    """By estimator: "IS", "WIS", "PDIS", "DR"."""

    def frame(self) -> polars.DataFrame:
        """One row an estimator: ``estimator``, ``value``, ``low``, ``high``."""
        import polars

        rows = [(name, *estimate) for name, estimate in self.estimates.items()]
        return polars.DataFrame(rows, schema=["estimator", *Estimate._fields], orient="row")

    def __repr__(self) -> str:
        def line(name: str, estimate: Estimate) -> str:
            return f"  {name:<10}{estimate.value:>10,.4g}   [{estimate.low:,.4g}, {estimate.high:,.4g}]"

        return "\n".join(
            [
                f"Off-policy evaluation in {self.env_id}: {self.num_episodes:,} episodes, "
                f"effective sample size {self.effective_sample_size:,.0f}",
                "  mean return            interval",
                line("logged", self.logged_return),
                *(line(name, estimate) for name, estimate in self.estimates.items()),
            ]
        )


def evaluate(
    log: EpisodeLog,
    policy: StochasticPolicy,
    params: Any,
    *,
    discount: float = 1.0,
    confidence: float = 0.95,
    bootstrap_samples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Estimate what ``policy`` would earn in the market ``params`` that ``log`` comes from.

    Intervals are bootstraps over episodes. The doubly robust estimator's model is fitted here, see ``q_model``. An
    episode that was truncated counts for what it earned until then.

    Raises TypeError for a policy without ``log_propensity``; ValueError for a log without propensities, one of fewer
    than two episodes, ratios whose product float64 does not hold, or another ``discount``, ``confidence``,
    ``bootstrap_samples`` or ``seed``.
    """
    if log.log_propensity is None:
        raise ValueError("log must hold propensities, got that of a policy which knows none")
    if log.num_episodes < FOLDS:
        raise validation.wrong_value("log", f"of at least {FOLDS} episodes", log)
    discount = validation.number("discount", discount, 0, 1)
    target = follow(log, policy, params, seed)
    log_ratio = target.log_propensity.astype(np.float64) - log.by_episode(log.log_propensity)
    reward = log.by_episode(log.reward).astype(np.float64)
    action_value, state_value = _cross_fitted(log, target, reward, discount)
    contributions = {
        "IS": importance_sampling(log_ratio, reward, discount),
        "WIS": weighted_importance_sampling(log_ratio, reward, discount),
        "PDIS": per_decision_importance_sampling(log_ratio, reward, discount),
        "DR": doubly_robust(log_ratio, reward, action_value, state_value, discount),
    }

    def with_interval(contribution: Contributions) -> Estimate:
        return bootstrap(contribution, confidence=confidence, samples=bootstrap_samples, seed=seed)

    return Evaluation(
        env_id=log.env_id,
        num_episodes=log.num_episodes,
        effective_sample_size=effective_sample_size(log_ratio),
        logged_return=with_interval(importance_sampling(np.zeros_like(log_ratio), reward, discount)),
        estimates={name: with_interval(contribution) for name, contribution in contributions.items()},
    )


def _cross_fitted(
    log: EpisodeLog, target: Alternatives, reward: FloatArray, discount: float
) -> tuple[FloatArray, FloatArray]:
    """Q of each logged step and V of its state [episodes, steps], by models that were fitted on other episodes."""
    features = q_model.Features.of(log.observation, log.action_space)
    episode, step = log.episode, log.step

    def phi(action: AnyArray) -> FloatArray:
        return features(log.observation, action)

    taken = phi(log.action)
    expected = sum(
        target.probability[episode, step, k, None] * phi(target.action[episode, step, k])
        for k in range(target.probability.shape[-1])
    )
    taken, expected = log.by_episode(taken), log.by_episode(np.asarray(expected, np.float64))
    in_progress = np.arange(taken.shape[1]) < log.lengths[:, None]
    action_value, state_value = np.zeros_like(reward), np.zeros_like(reward)
    fold = np.arange(log.num_episodes) % FOLDS
    for one in range(FOLDS):
        held_out, others = fold == one, fold != one
        theta = q_model.fit(taken[others], expected[others], reward[others], in_progress[others], discount)
        action_value[held_out] = np.einsum("etf,tf->et", taken[held_out], theta)
        state_value[held_out] = np.einsum("etf,tf->et", expected[held_out], theta)
    return action_value, state_value
