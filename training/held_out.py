"""The held-out evaluation: every method in the same markets that nobody was trained or tuned in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rtb_envs.intervals import CONFIDENCE, mean, ratio_of_sums
from rtb_envs.policies.policy import Policy
from training.evaluation import Bounds, Episodes, Floats, Judge

UNITS = {
    "episode_expected_conversion": "expected conversions",
    "episode_click": "clicks",
    "episode_return": "return",
}


@dataclass(frozen=True)
class Method:
    """A policy to be judged; ``parameters`` are what tuning chose, for the reader."""

    name: str
    label: str
    policy: Policy
    parameters: dict[str, float] = field(default_factory=dict)


def evaluate(
    judge: Judge, params: Any, learner: Method, rules: Sequence[Method], bootstrap_samples: int
) -> dict[str, Any]:
    """All figures of the learner and the rules, as JSON values; intervals are over seeds, differences paired."""
    bounds = judge.bounds(params) if judge.has_bounds else None
    methods, values = [], {}
    for method in (learner, *rules):
        episodes = judge.play(method.policy, params)
        values[method.name] = episodes.value
        methods.append(
            {
                "name": method.name,
                "label": method.label,
                "is_learner": method is learner,
                "parameters": method.parameters,
                **_figures(values[method.name], bounds, bootstrap_samples),
                **_spending(episodes, params, bootstrap_samples),
            }
        )
    ours = values[learner.name]
    differences = [
        {"learner": learner.name, "rule": rule.name, **_figures(ours - values[rule.name], bounds, bootstrap_samples)}
        for rule in rules
    ]
    return {
        "value": UNITS[judge.value_total],
        "seeds": list(judge.seeds),
        "episodes_per_seed": int(ours.shape[1]),
        "bootstrap_samples": bootstrap_samples,
        "confidence": CONFIDENCE,
        **({} if bounds is None else {name: float(array.mean()) for name, array in asdict(bounds).items()}),
        "methods": methods,
        "differences": differences,
    }


def _figures(value: Floats, bounds: Bounds | None, bootstrap_samples: int) -> dict[str, Any]:
    """Value an episode and its shares of ceiling and optimum, with intervals over seeds and the figure of each seed."""
    by_seed = value.sum(axis=1)
    figures = {"value": _figure(by_seed, np.full_like(by_seed, value.shape[1]), bootstrap_samples)}
    if bounds is not None:
        for name, bound in (("share_of_ceiling", bounds.ceiling), ("share_of_optimum", bounds.optimum)):
            figures[name] = _figure(by_seed, bound.sum(axis=1), bootstrap_samples)
    return figures


def _figure(numerator: Floats, denominator: Floats, bootstrap_samples: int) -> dict[str, Any]:
    interval = ratio_of_sums(numerator, denominator, bootstrap_samples)
    return {**asdict(interval), "by_seed": (numerator / denominator).tolist()}


def _spending(episodes: Episodes, params: Any, bootstrap_samples: int) -> dict[str, Any]:
    """How much of the budget is spent, and when; nothing for environments without a budget."""
    if episodes.cost is None or not hasattr(params, "initial_budget"):
        return {}
    share = episodes.cost / float(params.initial_budget)
    spent = np.cumsum(np.insert(share, 0, 0.0, axis=-1), axis=-1).reshape(-1, share.shape[-1] + 1)
    low, high = np.quantile(spent, [0.1, 0.9], axis=0)
    return {
        "budget_use": asdict(mean(share.sum(axis=-1).mean(axis=1), bootstrap_samples)),
        "spent_by_step": {"mean": spent.mean(axis=0).tolist(), "low": low.tolist(), "high": high.tolist()},
    }
