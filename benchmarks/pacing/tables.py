"""The tables of the pacing benchmark."""

from __future__ import annotations

from typing import Any

from benchmarks.report import Grid

Summary = dict[str, Any]
_ABSENT = "–"
# Metric -> heading, factor and digits.
_COLUMNS = {
    "share_of_optimum": ("R/R* (%)", 100, 1),
    "regret_per_root_auction": ("regret/√T", 1, 3),
    "budget_use": ("budget used (%)", 100, 1),
    "pacing_error": ("pacing error (%)", 100, 1),
    "quick_spend": ("quick spend (%)", 100, 1),
    "cost_per_action_excess": ("CPA excess (%)", 100, 1),
    "auctionnet_share": ("AuctionNet score (% of R*)", 100, 1),
}


def grids(summary: Summary) -> list[Grid]:
    """All metrics over all tasks, then R/R* by budget and by market."""
    shares = [(str(share), f"1/{round(1 / share)}") for share in summary["budget_shares"]]
    return [
        _overall(summary),
        _by(summary, "by_budget", "R/R* (%) by budget, as a share of the largest spend", shares),
        _by(summary, "by_market", "R/R* (%) by market, all budgets", summary["markets"]),
    ]


def _overall(summary: Summary) -> Grid:
    headings = [heading for heading, _, _ in _COLUMNS.values()]
    grid = Grid(
        title=f"All methods over {summary['tasks']} tasks (markets × budgets)",
        columns=["method", *headings, "tasks"],
        notes=[
            "Interquartile means over tasks and held-out seeds; R/R* with its 95 % bootstrap interval over seeds.",
            "Best first. Learners are in capitals.",
        ],
    )
    for method in summary["methods"].values():
        cells = []
        for metric, (_, factor, digits) in _COLUMNS.items():
            figure = method["overall"][metric]
            shown = f"{factor * figure['estimate']:.{digits}f}"
            if metric == "share_of_optimum":
                shown += f" [{factor * figure['low']:.{digits}f}, {factor * figure['high']:.{digits}f}]"
            cells.append(shown)
        grid.rows.append([method["label"], *cells, str(method["tasks"])])
    return grid


def _by(summary: Summary, group: str, title: str, keys: list[Any]) -> Grid:
    grid = Grid(title=title, columns=["method", *(heading for _, heading in keys)], notes=["Interquartile means."])
    for method in summary["methods"].values():
        figures = [method[group].get(key) for key, _ in keys]
        shown = [_ABSENT if figure is None else f"{100 * figure['estimate']:.1f}" for figure in figures]
        grid.rows.append([method["label"], *shown])
    return grid
