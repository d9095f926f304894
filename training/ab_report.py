"""What a person sees of two runs compared: a table, and the sentence that it comes to."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from training import report

Figures = dict[str, Any]


def table(figures: Figures, names: tuple[str, str]) -> Table:
    """Teams: a row for each agent and one for all of them. Single agents: a row for each run."""
    if "rows" not in figures:
        return report.table(figures, lead="A's lead")
    grid = Table(
        title=f"A: {escape(names[0])}\nB: {escape(names[1])}\n{len(figures['seeds'])} held-out seeds of "
        f"{figures['episodes_per_seed']} episodes",
        caption=f"Profit in $ an episode; \\[low, high]: {100 * figures['confidence']:.0f} % bootstrap intervals over "
        "seeds, on common random numbers.",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    grid.add_column("agent")
    for heading in ("profit of A ($)", "profit of B ($)", "A less B ($)", "A over B"):
        grid.add_column(heading, justify="right")
    for name, row in figures["rows"].items():
        ratio = row["ratio"]
        estimate, low, high = (f"{row['difference'][end]:+,.2f}" for end in ("estimate", "low", "high"))
        grid.add_row(
            name,
            f"{row['profit']['estimate']:,.2f}",
            f"{row['rule_profit']['estimate']:,.2f}",
            f"{estimate}\n\\[{low}, {high}]",
            "–" if ratio is None else f"{ratio['estimate']:.2f}",
        )
    return grid


def verdict(figures: Figures) -> str:
    """Which run does better, if the interval of their difference tells."""
    if "rows" in figures:
        difference, unit = figures["rows"]["total"]["difference"], "$ an episode in total"
    else:
        evaluation = figures["evaluation"]
        difference, unit = evaluation["differences"][0]["value"], f"{evaluation['value']} an episode"
    low, high = difference["low"], difference["high"]
    if low == high == 0:
        return "A and B do the same."
    if low <= 0 <= high:
        return "These episodes cannot tell A and B apart: the interval of their difference holds 0."
    better, sign = ("A", 1) if low > 0 else ("B", -1)
    ends = sorted((sign * low, sign * high))
    return f"{better} is better by {sign * difference['estimate']:,.2f} \\[{ends[0]:,.2f}, {ends[1]:,.2f}] {unit}."
