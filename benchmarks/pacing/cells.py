"""One cell of the benchmark: a market at one budget, with every method in it."""

from __future__ import annotations

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
    """Figures of every method, as JSON values. ``rules`` begins with the linear one."""
    env, params = market.env("bid_curve"), market.params("bid_curve", budget_share)
    table = Table(env, params, sizes)
    optimum = table.optimum()
    distribution = env.market_distribution(params)  # type: ignore[attr-defined]
    units = {"linear": 1.0, "standard_bid_price": float(params.standard_bid_price)}
    methods: dict[str, dict[str, Any]] = {}
    for rule in rules:
        begun = time.perf_counter()
        played, settings = _tuned(table, rule, distribution, units)
        if rule is LINEAR:
            units["linear"] = settings["multiplier"]
        methods[rule.name] = {
            "label": rule.label,
            "is_learner": False,
            "settings": settings,
            "seconds": time.perf_counter() - begun,
            **figures(played, optimum, params),
        }
    for name in learners:
        begun = time.perf_counter()
        played, steps = _trained(market, budget_share, name, sizes, iterations)
        methods[name] = {
            "label": name.upper(),
            "is_learner": True,
            "settings": {"environment_steps": steps},
            "seconds": time.perf_counter() - begun,
            **figures(played, optimum, params),
        }
    return {
        "market": market.name,
        "title": market.title,
        "budget_share": budget_share,
        "budget": int(params.initial_budget),
        "horizon": table.horizon,
        "optimum_by_seed": optimum.mean(axis=1).tolist(),
        "methods": methods,
    }


def _tuned(table: Table, rule: Rule, distribution: Any, units: dict[str, float]) -> tuple[Played, Settings]:
    """The held-out episodes of the settings that were best in the tuning episodes."""
    points = rule.settings(units)
    policies = [rule.policy(table.env, table.params, distribution, point) for point in points]
    if len(policies) == 1:
        return table.evaluate(policies[0]), points[0]
    best = int(np.argmax(table.tuning_means(policies)))
    return table.evaluate_rule(policies[best]), points[best]


def _trained(market: Market, budget_share: float, name: str, sizes: Sizes, iterations: int) -> tuple[Played, int]:
    """The held-out episodes of a learner trained in this market at this budget, and the steps it was trained for."""
    env, params = market.env(_ACTION_KINDS[name]), market.params(_ACTION_KINDS[name], budget_share)
    learner = registry.make_learner(name, env, **_hyperparameters(name, iterations))
    state = over_devices(compile.jit(learner.init, static_argnums=0)(TRAINING_SEED, params))
    updates = Updates(learner, iterations)
    updates.compile(state, params)
    state, _ = updates.run(state, params, iterations, enters_stage=False)
    played = Table(env, params, sizes).evaluate(learner.policy(state))
    return played, iterations * learner.steps_per_update


_ACTION_KINDS = {"ppo": "continuous", "dqn": "discrete"}


def _hyperparameters(name: str, iterations: int) -> dict[str, Any]:
    return {"annealing_updates": iterations} if name == "ppo" else {}


def figures(played: Played, optimum: Floats, params: Any) -> dict[str, list[float]]:
    """Every metric of a method, one number a seed."""
    budget = float(params.initial_budget)
    volume = np.asarray(params.search_volume_mean, np.float64)[: played.spend.shape[-1]]
    cost = played.spend.sum(axis=-1)
    # No advertiser states a target here, so it is what an action costs the optimum.
    target = budget / np.maximum(optimum.mean(), 1e-9)
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
