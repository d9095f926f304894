"""The tables of the pacing benchmark."""

from __future__ import annotations

from typing import Any

from benchmarks.pacing.orderings import ALIKE, TIGHT
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
    """All metrics over all tasks, R/R* by budget and by market, orderings that papers report, the markets' sizes."""
    shares = [(str(share), f"1/{round(1 / share)}") for share in summary["budget_shares"]]
    return [
        _overall(summary),
        _by(summary, "by_budget", "R/R* (%) by budget, as a share of the largest spend", shares),
        _by(summary, "by_market", "R/R* (%) by market, all budgets", summary["markets"]),
        _orderings(summary),
        _sizes(summary),
    ]


def _overall(summary: Summary) -> Grid:
    headings = [heading for heading, _, _ in _COLUMNS.values()]
    learners = [method["label"] for method in summary["methods"].values() if method["is_learner"]]
    grid = Grid(
        title=f"All methods over {summary['tasks']} tasks (markets × budgets)",
        columns=["method", *headings, "tasks"],
        notes=[
            "Interquartile means over tasks and held-out seeds; R/R* with its 95 % bootstrap interval over seeds.",
            f"Best first. Learners: {', '.join(learners) or 'none'}.",
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


def _orderings(summary: Summary) -> Grid:
    grid = Grid(
        title="Orderings that papers report, and what these markets show",
        columns=["ordering", "budgets", "more of R* (points)", "tasks won", "verdict", "reported by"],
        notes=[
            "Paired differences of R/R*, interquartile means with 95 % bootstrap intervals. "
            f"Tight budgets are those of 1/{round(1 / TIGHT)} and below.",
            f'"≥" and "≈" allow for {100 * ALIKE:.0f} points; open: the interval decides neither way.',
        ],
    )
    for one in summary["orderings"]:
        grid.rows.append(
            [
                f"{one['first']} {one['relation']} {one['second']}",
                "tight" if one["only_tight"] else "all",
                f"{100 * one['estimate']:+.1f} [{100 * one['low']:+.1f}, {100 * one['high']:+.1f}]",
                f"{one['tasks_won']} of {one['tasks']}",
                one["verdict"],
                one["source"],
            ]
        )
    return grid


def _sizes(summary: Summary) -> Grid:
    shares = summary["budget_shares"]
    ends = [f"1/{round(1 / share)}" for share in (shares[0], shares[-1])]
    grid = Grid(
        title="The markets",
        columns=[
            "market",
            "steps",
            "auctions an episode",
            "episodes",
            *(f"budget of {end}" for end in ends),
            *(f"R* at {end}" for end in ends),
        ],
        notes=["Auctions are expected ones. Episodes are the held-out ones of all seeds; R* is their mean."],
    )
    for name, title in summary["markets"]:
        size = summary["sizes"][name]
        grid.rows.append(
            [
                title,
                str(size["steps"]),
                f"{size['auctions']:,.0f}",
                str(size["episodes"]),
                f"{size['largest_budget']:,.0f}",
                f"{size['smallest_budget']:,.0f}",
                f"{size['largest_optimum']:.1f}",
                f"{size['smallest_optimum']:.2f}",
            ]
        )
    return grid
