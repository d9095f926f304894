"""A market of the benchmark at all its budgets, with every method in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.pacing.learning import train_and_judge
from benchmarks.pacing.markets import Market
from benchmarks.pacing.methods import LINEAR, Rule
from benchmarks.pacing.playing import Floats, Played, Sizes, Table, evaluation_lanes
from rtb_envs import metrics

Cell = dict[str, Any]


def run_market(
    market: Market,
    shares: Sequence[float],
    rules: Sequence[Rule],
    learners: Sequence[str],
    sizes: Sizes,
    iterations: int,
) -> list[Cell]:
    """Figures of every method that plays in ``market``, a cell for each budget, as JSON values.

    ``rules`` begins with the linear one.
    """
    begun = time.perf_counter()
    env: Any = market.env(market.rule_actions)
    table = Table(env, market.steps(), sizes, market.totals())
    optima = _optima(market, shares, sizes)
    distribution = env.market_distribution(env.default_params) if market.has_bid_curves else None
    played = [rule for rule in rules if market.has_bid_curves or not rule.needs_bid_curves]
    methods, worth = [], []
    for share, optimum in zip(shares, optima, strict=True):
        figures_of_rules, linear_value = _rules(market, market.params(share), table, played, distribution, optimum)
        methods.append(figures_of_rules)
        worth.append(linear_value)
    for name in learners:
        judged, trained_steps = train_and_judge(market, shares, worth, name, sizes, iterations)
        for i, share in enumerate(shares):
            methods[i][name] = {
                "label": name.upper(),
                "is_learner": True,
                "settings": {"environment_steps": trained_steps},
                **figures(judged[i], optima[i], market.bidder(market.params(share))),
            }
    seconds = time.perf_counter() - begun
    return [
        {
            "market": market.name,
            "title": market.title,
            "budget_share": share,
            "budget": market.budget(share),
            "horizon": table.horizon,
            "expected_auctions": market.auctions(),
            "episodes": sizes.lanes,
            "optimum_by_seed": optima[i].mean(axis=1).tolist(),
            "methods": methods[i],
            "seconds": seconds / len(shares),
        }
        for i, share in enumerate(shares)
    ]


def _rules(
    market: Market, params: Any, table: Table, rules: Sequence[Rule], distribution: Any, optimum: Floats
) -> tuple[dict[str, Cell], float]:
    """The figures of every rule in the market ``params``, and the value of the best linear one in its tuning."""
    bidder, units = market.bidder(params), market.units()
    keeps_target = getattr(bidder, "target_cost_per_action", None) is not None
    methods: dict[str, Cell] = {}
    linear_value = 0.0
    for rule in rules:
        points = rule.settings(units, keeps_target=keeps_target)
        policies = [rule.policy(table.env, params, distribution, point) for point in points]
        best = 0
        if len(policies) > 1:
            means = table.tuning_means(policies, params)
            best = int(np.argmax(means))
        if rule == LINEAR:
            units["linear"], linear_value = points[best]["multiplier"], float(means[best])
        methods[rule.name] = {
            "label": rule.label,
            "is_learner": False,
            "settings": points[best],
            **figures(table.evaluate_rule(policies[best], params), optimum, bidder),
        }
    return methods, linear_value


def _optima(market: Market, shares: Sequence[float], sizes: Sizes) -> list[Floats]:
    """R* of the held-out episodes at each budget [seeds, episodes]."""
    keys = jax.vmap(jax.random.fold_in, (0, None))(evaluation_lanes(sizes), 0)
    budgets = jnp.asarray([market.budget(share) for share in shares], jnp.float32)
    found = np.asarray(market.optimum(keys, market.params(shares[0]), budgets), np.float64)
    return list(found.T.reshape(len(shares), sizes.seeds, sizes.episodes))


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
    # As many digits as float32 has.
    return {name: [float(f"{value:.7g}") for value in values] for name, values in by_seed.items()}
