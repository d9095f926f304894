"""One cell of the benchmark: a market at one budget, with every method in it."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from agents import registry
from benchmarks.pacing.markets import Market
from benchmarks.pacing.methods import LINEAR, Rule, Settings
from benchmarks.pacing.playing import Floats, Played, Sizes, Table
from rtb_envs import compile, metrics
from training.updates import Updates, over_devices

TRAINING_SEED = 0


def run_cell(
    market: Market, budget_share: float, rules: Sequence[Rule], learners: Sequence[str], sizes: Sizes, iterations: int
) -> dict[str, Any]:
    """Figures of every method that plays in ``market``, as JSON values. ``rules`` begins with the linear one."""
    kind = market.rule_actions
    env, params = market.env(kind), market.params(kind, budget_share)
    bidder = market.bidder(params)
    table = Table(env, params, sizes, market.totals())
    optimum = table.optimum(market.optimum)
    has_curves = kind == "bid_curve"
    distribution = env.market_distribution(params) if has_curves else None  # type: ignore[attr-defined]
    target = getattr(bidder, "target_cost_per_action", None)
    units = market.units()
    methods: dict[str, dict[str, Any]] = {}
    for rule in rules:
        if rule.needs_bid_curves and not has_curves:
            continue
        begun = time.perf_counter()
        played, settings = _tuned(table, rule, distribution, units, keeps_target=target is not None)
        if rule is LINEAR:
            units["linear"] = settings["multiplier"]
        methods[rule.name] = {
            "label": rule.label,
            "is_learner": False,
            "settings": settings,
            "seconds": time.perf_counter() - begun,
            **figures(played, optimum, bidder),
        }
    for name in learners:
        begun = time.perf_counter()
        played, steps = _trained(market, budget_share, name, sizes, iterations)
        methods[name] = {
            "label": name.upper(),
            "is_learner": True,
            "settings": {"environment_steps": steps},
            "seconds": time.perf_counter() - begun,
            **figures(played, optimum, bidder),
        }
    return {
        "market": market.name,
        "title": market.title,
        "budget_share": budget_share,
        "budget": float(bidder.initial_budget),
        "horizon": table.horizon,
        "optimum_by_seed": optimum.mean(axis=1).tolist(),
        "methods": methods,
    }


def _tuned(
    table: Table, rule: Rule, distribution: Any, units: dict[str, float], *, keeps_target: bool
) -> tuple[Played, Settings]:
    """The held-out episodes of the settings that were best in the tuning episodes."""
    points = rule.settings(units, keeps_target=keeps_target)
    policies = [rule.policy(table.env, table.params, distribution, point) for point in points]
    if len(policies) == 1:
        return table.evaluate(policies[0]), points[0]
    best = int(np.argmax(table.tuning_means(policies)))
    return table.evaluate_rule(policies[best]), points[best]


def _trained(market: Market, budget_share: float, name: str, sizes: Sizes, iterations: int) -> tuple[Played, int]:
    """The held-out episodes of a learner trained in this market at this budget, and the steps it was trained for."""
    kind = market.learner_actions[name]
    env, params = market.env(kind), market.params(kind, budget_share)
    training = _training(name, env, repr(env.action_space(params)), iterations)
    state = training.updates.run(training.begin(TRAINING_SEED, params), params, iterations, enters_stage=False)[0]
    learner = training.learner
    played = Table(env, params, sizes, market.totals()).evaluate(learner.policy(state))
    return played, iterations * learner.steps_per_update


class _Training:
    """A learner and its compiled updates, which serve every market and budget of one program."""

    def __init__(self, name: str, env: Any, iterations: int) -> None:
        self.learner = registry.make_learner(name, env, **_hyperparameters(name, iterations))
        self.updates = Updates(self.learner, iterations)
        self._init = compile.jit(self.learner.init, static_argnums=0)
        self._is_compiled = False

    def begin(self, seed: int, params: Any) -> Any:
        """The state before the first update in the market ``params``; the updates are ready to run then."""
        state = over_devices(self._init(seed, params))
        if not self._is_compiled:
            self.updates.compile(state, params)
            self._is_compiled = True
        return state


@functools.lru_cache(maxsize=2)
def _training(name: str, env: Any, action_space: str, iterations: int) -> _Training:
    """Environments are equal where their programs are; learners read the bounds of actions too."""
    return _Training(name, env, iterations)


def _hyperparameters(name: str, iterations: int) -> dict[str, Any]:
    """What follows from so short a training: learning rate and exploration end with it."""
    return {"ppo": {"annealing_updates": iterations}, "dqn": {"exploration_updates": max(iterations // 2, 1)}}[name]


def figures(played: Played, optimum: Floats, bidder: Any) -> dict[str, list[float]]:
    """Every metric of a method, one number a seed."""
    budget = float(bidder.initial_budget)
    volume = np.asarray(bidder.search_volume_mean, np.float64)[: played.spend.shape[-1]]
    cost = played.spend.sum(axis=-1)
    # Where the advertiser states no target, it is what an action costs the optimum.
    stated = getattr(bidder, "target_cost_per_action", None)
    target = budget / np.maximum(optimum.mean(), 1e-9) if stated is None else float(stated)
    by_seed = {
        "value": played.value.mean(axis=1),
        "share_of_optimum": np.array(
            [metrics.competitive_ratio(v, o) for v, o in zip(played.value, optimum, strict=True)]
        ),
        "regret_per_root_auction": metrics.regret_per_root_round(played.value, optimum, played.auctions).mean(axis=1),
        "budget_use": metrics.budget_use(played.spend, budget).mean(axis=1),
        "pacing_error": metrics.pacing_error(played.spend, budget, metrics.traffic_plan(volume)).mean(axis=1),
        "quick_spend": metrics.quick_spend(played.spend, budget).mean(axis=1),
        "cost_per_action_excess": metrics.cost_per_action_excess(cost.sum(axis=1), played.actions.sum(axis=1), target),
        "auctionnet_score": metrics.auctionnet_score(
            played.value.mean(axis=1), cost.mean(axis=1), played.actions.mean(axis=1), target
        ),
    }
    return {name: np.asarray(values, np.float64).tolist() for name, values in by_seed.items()}
