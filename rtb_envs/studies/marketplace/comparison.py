"""A comparison of the scenarios: as markdown, as a page for the browser, as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import plotly.graph_objects as go

from rtb_envs.pages import COLORS, Page
from rtb_envs.studies.marketplace.hypotheses import answers
from rtb_envs.studies.marketplace.tables import TableOfTexts, scenario_title, tables, verdicts

CURVES = (
    ("deals", "Deals", "deals a day"),
    ("spend_usd", "What buyers paid", "$ a day"),
    ("fees_usd", "Fees", "$ a day"),
    ("goal_attainment", "Goal attainment so far", "% of the goal"),
    ("rot_events", "Context-rot events", "facts lost a day"),
    ("hallucination_rate", "Hallucination rate", "% of the day's claims"),
)
REFRESH_SECONDS = 5


def markdown(results: dict[str, Any]) -> str:
    """All tables of ``results`` as markdown."""
    return "\n\n".join(["# Marketplace: exchange, direct, ledger", *map(markdown_table, tables(results))]) + "\n"


def as_json(results: dict[str, Any]) -> str:
    """Verdicts and answers as JSON; bounds that are infinite are null."""
    text = json.dumps(
        {
            "validity": [asdict(v) for v in verdicts(results)],
            "hypotheses": [asdict(a) for a in answers(results["markets"])],
        }
    )
    return json.dumps(json.loads(text, parse_constant=lambda name: None), indent=2, allow_nan=False) + "\n"


TITLE = "Marketplace: exchange, direct, ledger"
LEAD = "Buyers and sellers trade through an exchange, directly from memory, or over a shared ledger."


def page(results: dict[str, Any]) -> Page:
    """The dashboard of a run."""
    result = Page(TITLE, LEAD)
    result.verdict(summary(results))
    for table in tables(results):
        if table.rows:
            result.table(table.title, table.header, table.rows, table.note)
    result.heading("Day by day")
    result.text(
        "Means over seeds; the band runs from the smallest to the largest seed. Weekends offer 0.7 of a weekday."
    )
    for name, title, unit in CURVES:
        result.figure(title, curve(results, name, unit))
    return result


def live_page(results: dict[str, Any], day: int) -> Page:
    """The dashboard of a run under way, which the browser loads anew every few seconds.

    ``results`` hold the markets of one seed, all of which are written to ``day``: what of some is known further is left
    out, and so are figures of whole runs, with verdicts on them.
    """
    settings, (seed,) = results["settings"], {market["seed"] for market in results["markets"]}
    result = Page(TITLE, LEAD, REFRESH_SECONDS)
    number = seed - settings["seed"] + 1
    place = f"seed {seed} ({number} of {settings['seeds']}), day {day} of {settings['market']['days']}"
    result.verdict(f"Running: {place}, as of {time.strftime('%H:%M:%S', time.gmtime())} UTC.")
    result.heading("Day by day")
    result.text(f"Seed {seed} up to the last day that every scenario has reached. Weekends offer 0.7 of a weekday.")
    for name, title, unit in CURVES:
        result.figure(title, curve(results, name, unit, day))
    return result


def summary(results: dict[str, Any]) -> str:
    """The sentence that a reader takes away."""
    given = answers(results["markets"])
    judged = [verdict.verdict for verdict in verdicts(results)]
    bad = sum(verdict == "invalid" for verdict in judged)
    sentences = [f"{len(judged) - bad} of {len(judged)} figures are valid."]
    for verdict in ("confirmed", "not confirmed", "too few seeds"):
        alike = [answer.hypothesis.text for answer in given if answer.verdict == verdict]
        sentences += [f"{verdict.capitalize()}: {'; '.join(alike)}."] if alike else []
    return " ".join(sentences)


def curve(results: dict[str, Any], name: str, unit: str, last_day: int | None = None) -> go.Figure:
    """A figure by day up to ``last_day``, a line for each scenario."""
    figure = go.Figure()
    for i, scenario in enumerate(results["settings"]["scenarios"]):
        markets = [market for market in results["markets"] if market["scenario"] == scenario]
        values = np.stack([_by_day(market, name)[:last_day] for market in markets])
        days = np.arange(1, values.shape[1] + 1)
        color = COLORS["abc".index(scenario)]
        if len(values) > 1:
            span = np.concatenate([values.max(axis=0), values.min(axis=0)[::-1]])
            band = {"fill": "toself", "line": {"width": 0}, "opacity": 0.15, "fillcolor": color, "hoverinfo": "skip"}
            figure.add_scatter(x=np.concatenate([days, days[::-1]]), y=span, showlegend=False, mode="lines", **band)
        dash = ("solid", "dash", "dot")[i % 3]
        line = {"color": color, "width": 2.5, "dash": dash}
        figure.add_scatter(x=days, y=values.mean(axis=0), name=scenario_title(scenario), mode="lines", line=line)
    figure.update_xaxes(title="day (1 is a Monday)")
    figure.update_yaxes(title=unit, rangemode="tozero")
    return figure


def markdown_table(table: TableOfTexts) -> str:
    """A table as markdown, under its title."""
    lines = [f"## {table.title}", "", table.note, "", "| " + " | ".join(table.header) + " |"]
    lines.append("|" + "---|" + "--:|" * (len(table.header) - 1))
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table.rows])


def _by_day(market: dict[str, Any], name: str) -> Any:
    by_day = market["figures"]["by_day"]
    if name == "hallucination_rate":
        return 100 * np.asarray(by_day["false_claims"]) / np.maximum(by_day["claims"], 1)
    return (100 if name == "goal_attainment" else 1) * np.asarray(by_day[name], np.float64)
