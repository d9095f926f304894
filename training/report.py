"""What a person sees of the held-out evaluation: a table on screen."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

Results = dict[str, Any]
FORMAT = 1


def table(results: Results, lead: str = "learner's lead") -> Table:
    """Every method, best first: value, shares of ceiling and optimum, and what the learner has over it.

    ``lead`` heads the last of these.
    """
    evaluation, market = results["evaluation"], results["market"]
    has_bounds = "ceiling" in evaluation
    measure = "share_of_ceiling" if has_bounds else "value"
    grid = Table(
        title=_title(results),
        caption=_caption(evaluation),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    grid.add_column("method")
    grid.add_column("\n".join([*evaluation["value"].split(), "an episode"]), justify="right")
    if has_bounds:
        grid.add_column("share of\nceiling (%)\nΣR/Σceiling", justify="right")
        grid.add_column("share of\noptimum (%)\nΣR/ΣR*", justify="right")
    if "budget" in market:
        grid.add_column("budget\nspent (%)", justify="right")
    unit = "points of\nshare of ceiling" if has_bounds else "an episode"
    grid.add_column(f"{lead},\n{unit}", justify="right")
    leads = {difference["rule"]: difference[measure] for difference in evaluation["differences"]}
    scale, digits = (100, 1) if has_bounds else (1, 2)
    for method in sorted(evaluation["methods"], key=lambda method: -method[measure]["estimate"]):
        cells = [method["label"]]
        cells.append(f"{method['value']['estimate']:.2f}" if has_bounds else _interval(method["value"], 1, 2))
        if has_bounds:
            cells += [_interval(method[name], 100, 1) for name in ("share_of_ceiling", "share_of_optimum")]
        if "budget" in market:
            cells.append(f"{100 * method['budget_use']['estimate']:.1f}")
        over = leads.get(method["name"])
        cells.append("" if over is None else _interval(over, scale, digits))
        grid.add_row(*map(escape, cells), style="bold" if method["is_learner"] else None)
    return grid


def _interval(figure: Results, scale: float, digits: int) -> str:
    """``estimate [low, high]``."""
    estimate, low, high = (f"{scale * figure[end]:.{digits}f}" for end in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def _title(results: Results) -> str:
    market, evaluation = results["market"], results["evaluation"]
    budget = f", budget {market['budget']:,.0f}" if "budget" in market else ""
    return (
        f"{market['env']}, curriculum stage {market['stage']} ({market['horizon']} steps{budget}): "
        f"{len(evaluation['seeds'])} held-out seeds of {evaluation['episodes_per_seed']} episodes"
    )


def _caption(evaluation: Results) -> str:
    lines = [f"[low, high]: {100 * evaluation['confidence']:.0f} % bootstrap intervals over seeds; leads are paired."]
    if "ceiling" in evaluation:
        lines.append(
            f"An episode's ceiling is {evaluation['ceiling']:.2f}, its optimum R* {evaluation['optimum']:.2f} "
            f"{evaluation['value']}."
        )
    tuned = [
        f"{method['label']}: " + ", ".join(f"{name} {value:.3g}" for name, value in method["parameters"].items())
        for method in evaluation["methods"]
        if method["parameters"]
    ]
    return escape("\n".join([*lines, *tuned]))
