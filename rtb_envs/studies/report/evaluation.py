"""Tables of a report on the held-out evaluation of a training: methods, or the agents of a team, on unseen seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rtb_envs.studies.report.charts import TextTable
from rtb_envs.studies.report.run_files import Json

CAMPAIGN = {
    "spend ($)": ("cost", 1, 0),
    "revenue ($)": ("revenue", 1, 0),
    "arriving later ($)": ("revenue_later", 1, 0),
    "budget spent (%)": ("budget_used", 100, 1),
    "ROAS ($/$)": ("roas", 1, 2),
    "CTR (%)": ("ctr", 100, 1),
    "CVR (%)": ("cvr", 100, 1),
    "CPC ($)": ("cpc", 1, 2),
    "CAC ($)": ("cac", 1, 2),
    "LTV ($)": ("lifetime_value", 1, 2),
    "win rate (%)": ("win_rate", 100, 1),
    "price/bid (%)": ("price_over_bid", 100, 1),
    "market share (%)": ("market_share", 100, 1),
    "cooperation (%)": ("cooperation", 100, 1),
}
"""Row -> figure, scale, decimals."""


def held_out(results: Json) -> Iterator[TextTable]:
    """What the results of a run allow."""
    evaluation = results.get("evaluation")
    if not isinstance(evaluation, dict):
        return
    note = f"[low, high]: {100 * float(evaluation.get('confidence', 0.95)):.0f} % intervals over seeds."
    if "agents" in evaluation:
        yield _profits(evaluation, note)
        yield _campaigns(evaluation)
    if "methods" in evaluation:
        yield _methods(evaluation, note)


def _profits(evaluation: Json, note: str) -> TextTable:
    rows = [
        (f"{seat['agent']} ({seat['algo']})", f"{seat['rule']} in the same seat", *_compared(seat))
        for seat in evaluation["agents"]
    ]
    rows.append(("all together", "strategy set in all seats", *_compared(evaluation["total"])))
    return TextTable(
        "Learners and rules on held-out seeds",
        ("learner", "rule", "profit ($)", "profit of the rule ($)", "difference ($)", "ratio"),
        tuple(rows),
        f"Attributed revenue less spend an episode, against the other learners. {note} Differences are paired.",
    )


def _compared(figures: Json) -> tuple[str, str, str, str]:
    profit, rule, difference = (interval(figures[name], 1, 0) for name in ("profit", "rule_profit", "difference"))
    ratio = figures["ratio"]
    return profit, rule, difference, "–" if ratio is None else f"{ratio['estimate']:.2f}"


def _campaigns(evaluation: Json) -> TextTable:
    seats = [*evaluation["agents"], evaluation["market"]]
    names = [f"{seat['agent']} ({seat['algo']})" for seat in evaluation["agents"]]
    return TextTable(
        "Campaigns on held-out seeds",
        ("figure", *names, "all together"),
        tuple(
            (label, *(_number(seat.get(key), scale, digits) for seat in seats))
            for label, (key, scale, digits) in CAMPAIGN.items()
        ),
        "Of all episodes together; dollars are those of an episode.",
    )


def _number(value: float | None, scale: float, digits: int) -> str:
    return "–" if value is None else f"{scale * value:,.{digits}f}"


def _methods(evaluation: Json, note: str) -> TextTable:
    unit = str(evaluation.get("value", "value"))
    has_ceiling = "ceiling" in evaluation
    header = ["method", f"{unit} an episode", *(["share of the ceiling (%)"] if has_ceiling else [])]
    rows = []
    for method in sorted(evaluation["methods"], key=lambda one: -one["value"]["estimate"]):
        cells = [interval(method["value"], 1, 2)]
        if has_ceiling:
            cells.append(interval(method["share_of_ceiling"], 100, 1))
        rows.append((str(method.get("label", method["name"])), *cells))
    return TextTable("Methods on held-out seeds", tuple(header), tuple(rows), note)


def interval(figure: dict[str, Any], scale: float, digits: int) -> str:
    """``estimate [low, high]``."""
    estimate, low, high = (f"{scale * figure[end]:,.{digits}f}" for end in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"
