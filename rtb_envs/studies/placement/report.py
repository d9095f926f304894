"""What the commands leave on disk: a folder that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rtb_envs.files import whole_or_nothing, write_json, write_parquet, write_text
from rtb_envs.pages import Page
from rtb_envs.studies.placement import pictures
from rtb_envs.studies.placement.comparison import MEASURES, Figure, deltas, summary
from rtb_envs.studies.placement.explanation import explain
from rtb_envs.studies.placement.simulation import WINDOW, Days, bins, rolling

FEW_DAYS = 20
"""Of fewer days, resamples are too alike: their intervals are too narrow."""


def write_run(days: Days, folder: Path) -> dict[str, Figure]:
    """Event log, rolling metrics, bins, summary, pictures and page of a scenario; the summary."""
    figures = summary(days)
    log = days.log()
    recent, binned = rolling(log), bins(days)
    with whole_or_nothing(folder) as made:
        made.mkdir(parents=True)
        write_parquet(log, made / "events.parquet")
        write_text(made / "events.csv", log.write_csv())
        write_text(made / "rolling.csv", recent.write_csv())
        write_text(made / "pressure_revenue.csv", binned.write_csv())
        write_json(made / "summary.json", {"scenario": _scenario(days), "measures": _json(figures)})
        pictures.rolling_png(recent, made / "rolling.png")
        pictures.scatter_png(binned, made / "pressure_revenue.png")
        page = Page(f"Placement: {days.scenario.name}", _lead(days))
        page.table("What a day brings", ("Measure", "Estimate", "95 % interval", "Unit"), _rows(figures), _method(days))
        if days.scenario.events < WINDOW:
            page.text(f"A day of {days.scenario.events} events has no window of {WINDOW}: there is nothing to draw.")
        else:
            page.figure("Rolling metrics of the first day", pictures.rolling_figure(recent))
            note = f"A point is {WINDOW} events of one of {days.scenario.days} days."
            page.figure("Pressure and revenue", pictures.scatter_figure({days.scenario.name: binned}), note)
        _add_auction(page, days)
        page.write(made / "report.html")
    return figures


def write_comparison(base: Days, variant: Days, folder: Path) -> dict[str, Figure]:
    """Both summaries, the deltas in %, a picture and a page; the deltas."""
    changes = deltas(base, variant)
    first, second = summary(base), summary(variant)
    with whole_or_nothing(folder) as made:
        made.mkdir(parents=True)
        result = {
            "first": {"scenario": _scenario(base), "measures": _json(first)},
            "second": {"scenario": _scenario(variant), "measures": _json(second)},
            "deltas_percent": _json(changes),
        }
        write_json(made / "comparison.json", result)
        pictures.deltas_png(changes, made / "deltas.png")
        names = base.scenario.name, variant.scenario.name
        page = Page(f"Placement: {names[0]} and {names[1]}", _lead(base) + " Common random numbers in both scenarios.")
        page.verdict(_verdict(changes["revenue"], names, base.scenario.days))
        header = ("Measure", f"{names[0]}", f"{names[1]}", "Change (%)", "95 % interval (%)", "Unit")
        page.table(
            "What a day brings", header, comparison_rows(first, second, changes), _method(base) + " Days are paired."
        )
        page.figure("Change of each measure", pictures.deltas_figure(changes))
        binned = {names[0]: bins(base), names[1] if names[1] != names[0] else f"{names[1]} (second)": bins(variant)}
        page.figure("Pressure and revenue", pictures.scatter_figure(binned), "A point is 100 events of a day.")
        page.write(made / "report.html")
    return changes


def comparison_rows(
    first: Mapping[str, Figure], second: Mapping[str, Figure], changes: Mapping[str, Figure]
) -> list[tuple[str, ...]]:
    """Title, both estimates, change, its interval, unit of each measure."""
    return [
        (m.title, number(first[name].estimate), number(second[name].estimate), *_change(changes[name]), m.unit)
        for name, m in MEASURES.items()
    ]


def number(value: float | None) -> str:
    """Four digits, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _method(days: Days) -> str:
    few = f" They are too narrow: {days.scenario.days} days are few." if days.scenario.days < FEW_DAYS else ""
    return f"Intervals: 95 % bootstrap over days.{few}"


def _rows(figures: Mapping[str, Figure]) -> list[tuple[str, ...]]:
    return [
        (m.title, number(figures[name].estimate), _interval(figures[name], number), m.unit)
        for name, m in MEASURES.items()
    ]


def _change(figure: Figure) -> tuple[str, str]:
    return _signed(figure.estimate), _interval(figure, _signed)


def _interval(figure: Figure, form: Any) -> str:
    return "–" if figure.low is None else f"{form(figure.low)} to {form(figure.high)}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _verdict(revenue: Figure, names: Sequence[str], days: int) -> str:
    if revenue.estimate is None:
        return f"{names[0]} earns nothing, so that no change can be told."
    if revenue.low is None or revenue.high is None:
        return f"{names[0]} earns something on too few days for a change to be told."
    if days < FEW_DAYS:
        return (
            f"{days} days are too few to tell the revenue of {names[0]} and {names[1]} apart: play {FEW_DAYS} or more."
        )
    told = f"{_signed(revenue.estimate)} % [{_signed(revenue.low)}, {_signed(revenue.high)}]"
    if revenue.low <= 0 <= revenue.high:
        return f"No difference in revenue can be told between {names[0]} and {names[1]}: {told}."
    more = "more" if revenue.estimate > 0 else "less"
    return f"{names[1]} earns {more} than {names[0]}: {told}."


def _lead(days: Days) -> str:
    scenario = days.scenario
    return (
        f"{scenario.market.capitalize()} market, {scenario.days} days of {scenario.events:,} events, "
        f"seed {scenario.seed}, policy {scenario.policy.rule}."
    )


def _scenario(days: Days) -> dict[str, Any]:
    dumped: dict[str, Any] = days.scenario.model_dump(mode="json", by_alias=True)
    return dumped


def _json(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {
        name: {**asdict(figure), "title": MEASURES[name].title, "unit": MEASURES[name].unit}
        for name, figure in figures.items()
    }


def _add_auction(page: Page, days: Days) -> None:
    """The first slot that was filled, explained."""
    filled = days.events["filled_slots"][0].nonzero()[0]
    if not len(filled):
        page.text("No slot was filled in the first day.")
        return
    told = explain(days.scenario, int(filled[0]), 0)
    note = f"Event {told['event']}, slot type {told['slot_type']}: {told['reason']}. {auction_terms(told)}"
    title = "The first event with a filled slot: auction of its first slot"
    page.table(title, CANDIDATE_HEADER, candidate_rows(told), note)


CANDIDATE_HEADER = ("Advertiser", "Bid ($ CPM)", "Base CTR (%)", "pCTR (%)", "Quality", "Score", "Takes part")


def candidate_rows(told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The candidates of an explanation as a table."""
    return [
        (
            row["advertiser"] + (" (winner)" if row["advertiser"] == told["winner"] else ""),
            f"{row['bid_cpm']:.6f}",
            f"{100 * row['base_ctr']:.4f}",
            f"{100 * row['pctr']:.4f}",
            f"{row['quality']:g}",
            f"{row['score']:.6f}",
            row["not_eligible_because"] or ("yes" if row["reaches_floor"] else "bid below floor"),
        )
        for row in told["candidates"]
    ]


def auction_terms(told: Mapping[str, Any]) -> str:
    """What an explained auction was about, in a line."""
    price = "" if told["price_cpm"] is None else f" Price ${told['price_cpm']:.6f} CPM ({told['pricing']})."
    return (
        f"Floor ${told['floor_cpm']:.2f} CPM, viewability {100 * told['viewability']:.0f} %, pressure "
        f"{told['pressure']:.3f} impressions, fatigue factor {told['fatigue']:.6f}, user factor "
        f"{told['user_factor']:.2f}.{price}"
    )
