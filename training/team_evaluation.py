"""How good a trained team is: everyone together, and each learner against the rule of its own seat.

Sets of policies meet the same episodes, so that differences are paired. A set is named by the seats that rules play,
and one compiled program serves them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from agents.team import Rival, Seated
from rtb_envs.envs.retargeting import SEAT_STRATEGIES, scripted_seats
from rtb_envs.envs.retargeting.environment import Retargeting
from rtb_envs.envs.retargeting.metrics import agent_metrics, market_metrics
from rtb_envs.envs.retargeting.play import play_episodes
from rtb_envs.intervals import CONFIDENCE, mean, ratio_of_sums
from rtb_envs.random import lane_keys

Floats = NDArray[np.float64]
Figures = dict[str, Any]
AGENT_FIGURES = (
    *("budget_used", "market_share", "roas", "ctr", "cvr", "cpc", "cac", "cost", "revenue", "revenue_within"),
    *("revenue_later", "lifetime_value", "win_rate", "price_over_bid", "cooperation"),
)
"""Of ``rtb_envs.envs.retargeting.metrics.agent_metrics``, for each agent."""


class TeamJudge:
    """Plays teams in the same ``num_seeds`` sets of ``num_episodes`` episodes of one purpose."""

    def __init__(self, market: Retargeting, purpose: int, num_seeds: int, num_episodes: int) -> None:
        self.market, self.seeds, self.num_episodes = market, tuple(range(num_seeds)), num_episodes
        self._keys = jnp.concatenate([lane_keys(seed, purpose, num_episodes) for seed in self.seeds])
        self._rules = scripted_seats(len(market.agents))

    def play(self, learners: Sequence[Seated], scripted: Sequence[bool], params: Any) -> dict[str, Any]:
        """Totals of every episode [seeds * episodes, ...], rules in the seats that are ``scripted``."""
        seats = [
            Rival(rule, learner, jnp.bool_(by_rule))
            for rule, learner, by_rule in zip(self._rules, learners, scripted, strict=True)
        ]
        played: dict[str, Any] = jax.device_get(play_episodes(self.market, seats, self._keys, params).info)
        return played

    def profit(self, info: dict[str, Any]) -> Floats:
        """Mean dollars an episode, attributed revenue less spend [seeds, agents]."""
        profit = np.asarray(info["episode_revenue"], np.float64) - np.asarray(info["episode_cost"], np.float64)
        by_seed: Floats = profit.reshape(len(self.seeds), self.num_episodes, -1).mean(axis=1)
        return by_seed

    def campaigns(self, info: dict[str, Any]) -> list[dict[str, float]]:
        """For each seed the ``AGENT_FIGURES``, named figure/agent; one without a denominator is left out."""
        seeds = []
        for i in range(len(self.seeds)):
            episodes = slice(i * self.num_episodes, (i + 1) * self.num_episodes)
            figures = agent_metrics({name: value[episodes] for name, value in info.items()})
            named = {
                f"{name}/{agent}": float(value)
                for name in AGENT_FIGURES
                for agent, value in zip(self.market.agents, figures[name], strict=True)
            }
            seeds.append({name: value for name, value in named.items() if np.isfinite(value)})
        return seeds


def evaluate(judge: TeamJudge, learners: Sequence[Seated], params: Any, samples: int) -> Figures:
    """The figures of the results' file; intervals are over seeds, differences paired."""
    agents = judge.market.agents
    nobody, everybody = [False] * len(agents), [True] * len(agents)
    trained, rules = judge.play(learners, nobody, params), judge.play(learners, everybody, params)
    profit, by_rules = judge.profit(trained), judge.profit(rules)
    figures, rule_figures = agent_metrics(trained), agent_metrics(rules)
    seats = []
    for i, agent in enumerate(agents):
        swapped = judge.profit(judge.play(learners, [j == i for j in range(len(agents))], params))
        seats.append(
            {
                "agent": agent,
                "rule": SEAT_STRATEGIES[i % len(SEAT_STRATEGIES)],
                **compare(profit[:, i], swapped[:, i], samples),
                **{name: _json(figures[name][i]) for name in AGENT_FIGURES},
                "strategy_set": {
                    "profit": float(by_rules[:, i].mean()),
                    **{name: _json(rule_figures[name][i]) for name in AGENT_FIGURES},
                },
            }
        )
    return {
        "seeds": list(judge.seeds),
        "episodes_per_seed": judge.num_episodes,
        "bootstrap_samples": samples,
        "confidence": CONFIDENCE,
        "agents": seats,
        "total": compare(profit.sum(axis=1), by_rules.sum(axis=1), samples),
        "market": {name: _json(value) for name, value in market_metrics(trained).items()},
        "strategy_market": {name: _json(value) for name, value in market_metrics(rules).items()},
    }


def compare(ours: Floats, theirs: Floats, samples: int) -> Figures:
    """Dollars an episode [seeds] of the trained and of the rule, their paired difference and their ratio.

    The ratio has an interval only where the rule makes a profit in every seed, and is null where it makes none at all.
    """
    ratio: Figures | None = None
    if (theirs > 0).all():
        ratio = asdict(ratio_of_sums(ours, theirs, samples))
    elif theirs.sum() > 0:
        ratio = {"estimate": float(ours.sum() / theirs.sum()), "low": None, "high": None}
    return {
        "profit": {**asdict(mean(ours, samples)), "by_seed": ours.tolist()},
        "rule_profit": {**asdict(mean(theirs, samples)), "by_seed": theirs.tolist()},
        "difference": asdict(mean(ours - theirs, samples)),
        "ratio": ratio,
    }


def _json(value: Any) -> float | None:
    """JSON has no NaN: a figure without a denominator is null."""
    return float(value) if np.isfinite(value) else None
