"""From cells to figures over many markets: interquartile means with intervals, by method, by budget, by market."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.pacing import orderings
from rtb_envs.metrics import stratified_interquartile_mean

Cell = dict[str, Any]
METRICS = (
    "share_of_optimum",
    "regret_per_root_auction",
    "budget_use",
    "pacing_error",
    "quick_spend",
    "cost_per_action_excess",
    "auctionnet_share",
)


def summarize(cells: Sequence[Cell]) -> dict[str, Any]:
    """The figures of every method that the page shows, as JSON values; methods best first.

    A task is a market at a budget, a run a seed of held-out episodes. A method that did not play in a cell is left out
    there, and says in how many tasks it played.
    """
    names = list(dict.fromkeys(name for cell in cells for name in cell["methods"]))
    methods = {name: _method(name, cells) for name in names}
    order = sorted(names, key=lambda name: -methods[name]["overall"]["share_of_optimum"]["estimate"])
    return {
        "tasks": len(cells),
        "markets": list(dict.fromkeys((cell["market"], cell["title"]) for cell in cells)),
        "sizes": _sizes(cells),
        "budget_shares": sorted({cell["budget_share"] for cell in cells}, reverse=True),
        "methods": {name: methods[name] for name in order},
        "orderings": orderings.compare(cells),
    }


def _sizes(cells: Sequence[Cell]) -> dict[str, Any]:
    """How large each market is, by its name, from its cells, whose largest budget is first."""
    sizes: dict[str, Any] = {}
    for cell in cells:
        optimum = float(np.mean(cell["optimum_by_seed"]))
        size = sizes.setdefault(
            cell["market"],
            {
                "steps": cell["horizon"],
                "auctions": cell["expected_auctions"],
                "episodes": cell["episodes"],
                "largest_budget": cell["budget"],
                "largest_optimum": optimum,
            },
        )
        size |= {"smallest_budget": cell["budget"], "smallest_optimum": optimum}
    return sizes


def _method(name: str, cells: Sequence[Cell]) -> dict[str, Any]:
    played = [cell for cell in cells if name in cell["methods"]]
    first = played[0]["methods"][name]
    return {
        "label": first["label"],
        "is_learner": first["is_learner"],
        "tasks": len(played),
        "overall": {metric: _interval(_scores(name, metric, played)) for metric in METRICS},
        "by_budget": _grouped(name, played, lambda cell: str(cell["budget_share"])),
        "by_market": _grouped(name, played, lambda cell: cell["market"]),
    }


def _grouped(name: str, cells: Sequence[Cell], group: Callable[[Cell], str]) -> dict[str, Any]:
    """R/R* within each group of cells."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(group(cell), []).append(cell)
    return {key: _interval(_scores(name, "share_of_optimum", members)) for key, members in groups.items()}


def _scores(name: str, metric: str, cells: Sequence[Cell]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The metric of a method, [tasks, seeds]."""
    if metric == "auctionnet_share":
        scores = [np.divide(cell["methods"][name]["auctionnet_score"], cell["optimum_by_seed"]) for cell in cells]
    else:
        scores = [cell["methods"][name][metric] for cell in cells]
    return np.asarray(scores, np.float64)


def _interval(scores: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    estimate = stratified_interquartile_mean(scores)
    return estimate._asdict()
