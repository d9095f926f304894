"""What a person sees of a team's held-out evaluation: a table on screen."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

Results = dict[str, Any]


def table(results: Results) -> Table:
    """A row for each agent and one for all of them: profit, the rule's in the same seat, spend, wins, market health."""
    evaluation, market = results["evaluation"], results["market"]
    grid = Table(
        title=f"{market['env']}, curriculum stage {market['stage']} ({market['horizon']:,} opportunities an episode): "
        f"{len(evaluation['seeds'])} held-out seeds of {evaluation['episodes_per_seed']} episodes",
        caption="Profit: attributed revenue less spend, in $ an episode. "
        f"\\[low, high]: {100 * evaluation['confidence']:.0f} % bootstrap "
        "intervals over seeds, differences paired.\nThe rule plays the learner's own seat against the other learners; "
        "in the last row rules play all seats.",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    grid.add_column("agent", no_wrap=True)
    for heading in (
        "profit\nrule's\n($)",
        "difference\n($)",
        "ratio",
        "spent\nwins\n(%)",
        "ROAS",
        "CVR\n(%)",
        "CAC\n($)",
    ):
        grid.add_column(heading, justify="right", no_wrap=True)
    for seat in evaluation["agents"]:
        name = f"{seat['agent']}\n{seat['algo']} | {seat['rule']}"
        shares = [_number(seat[key], 100, 1) for key in ("budget_used", "market_share")]
        grid.add_row(name, *_compared(seat), "\n".join(shares), *_health(seat))
    spent = sum(seat["cost"] for seat in evaluation["agents"]) / sum(market["budgets"])
    total = evaluation["total"]
    grid.add_row("total\n| strategy set", *_compared(total), f"{100 * spent:.1f}", *_health(evaluation["market"]))
    return grid


def _compared(figures: Results) -> list[str]:
    ratio = figures["ratio"]
    return [
        f"{figures['profit']['estimate']:,.0f}\n{figures['rule_profit']['estimate']:,.0f}",
        _interval(figures["difference"]),
        "–" if ratio is None else f"{ratio['estimate']:.2f}",
    ]


def _health(figures: Results) -> list[str]:
    return [_number(figures["roas"], 1, 2), _number(figures["cvr"], 100, 1), _number(figures["cac"], 1, 2)]


def _interval(figure: Results) -> str:
    return f"{figure['estimate']:+,.0f}\n\\[{figure['low']:+,.0f},\n{figure['high']:+,.0f}]"


def _number(value: float | None, scale: float, digits: int) -> str:
    return "–" if value is None else f"{scale * value:,.{digits}f}"
