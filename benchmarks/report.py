"""The tables that a person reads: on screen by rich, in the documentation as Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import rich.box
from rich.table import Table

from benchmarks.results import RATES, Figures
from benchmarks.rtbgym import CONFIGURATIONS

_NONE = "–"


@dataclass(frozen=True)
class Grid:
    """A table before it is given a form: the first column is text, the others are numbers."""

    title: str
    columns: list[str]
    notes: list[str]
    rows: list[list[str]] = field(default_factory=list)


def grids(results: Figures) -> list[Grid]:
    """The rates of everything measured and, where RTBGym was measured too, how they compare."""
    peer = results["rtbgym"]
    return [_rates(results)] if peer is None else [_rates(results), _ratios(results)]


def screen(grid: Grid) -> Table:
    """The table for a terminal."""
    table = Table(
        title=grid.title,
        caption="\n".join(grid.notes),
        title_justify="left",
        caption_justify="left",
        box=rich.box.SIMPLE_HEAD,
    )
    for number, column in enumerate(grid.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in grid.rows:
        table.add_row(*row)
    return table


def markdown(grid: Grid) -> str:
    """The table as Markdown, its title a line above and its notes a list below."""
    notes = (f"- {note}" for note in grid.notes)
    return "\n".join([f"**{grid.title}**", "", markdown_table(grid.columns, grid.rows), "", *notes]) + "\n"


def markdown_table(columns: list[str], rows: list[list[str]]) -> str:
    """The lines of a table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, rule, *rows))


def _rates(results: Figures) -> Grid:
    imported = results["import_seconds"]
    grid = Grid(
        title=f"Speed of rtb-envs {results['versions']['rtb-envs']}; of AdAuction-v0 where a row names nothing else",
        columns=["measured", "environments", "environment steps/s", "auctions/s", "start (s)"],
        notes=[
            f"Medians of {results['repetitions']} repetitions of about {results['seconds_per_repetition']:g} s "
            "(lowest–highest), all rows in turns. Start: to build the environment, compile it without a cache and run "
            "it for the first time; no part of the rates.",
            f"import rtb_envs: {_spread(imported, lambda seconds: f'{1000 * seconds:.0f}')} ms.",
            _machine(results),
            *_warning(results),
        ],
    )
    peer = results["rtbgym"]
    for row in [*results["measurements"], *(peer["measurements"] if peer else [])]:
        start = row["start_seconds"]
        rates = [_spread(row[unit], quantity) for unit in RATES]
        grid.rows.append([row["title"], f"{row['num_envs']:,}", *rates, _NONE if start is None else f"{start:.1f}"])
    return grid


def _ratios(results: Figures) -> Grid:
    peer = results["rtbgym"]
    units = {"steps_per_second": "steps/s", "auctions_per_second": "auctions/s"}
    grid = Grid(
        title=f"Times as fast as RTBGym (scope-rl {peer['versions']['scope-rl']}, Python {peer['versions']['python']})",
        columns=["measured", "environments", *(f"{units[unit]}, {name}" for name in CONFIGURATIONS for unit in RATES)],
        notes=[
            "Medians of the ratios within each turn (lowest–highest). RTBGym steps one environment at a time.",
            *(f"{name}: {title}." for name, title in CONFIGURATIONS.items()),
        ],
    )
    ratios = {(ratio["name"], ratio["configuration"]): ratio for ratio in peer["ratios"]}
    for row in results["measurements"]:
        if (row["name"], next(iter(CONFIGURATIONS))) in ratios:
            against = [ratios[row["name"], name][unit] for name in CONFIGURATIONS for unit in RATES]
            cells = [_spread(times, significant) for times in against]
            grid.rows.append([row["title"], f"{row['num_envs']:,}", *cells])
    return grid


def _machine(results: Figures) -> str:
    """The machine and the versions that the figures belong to."""
    machine, versions = results["machine"], results["versions"]
    load = f"load average before the start {results['load_average_1min']:.2f}"
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {versions['python']}, "
        f"jax {versions['jax']}, jaxlib {versions['jaxlib']}; {load}"
    )


def _warning(results: Figures) -> list[str]:
    """A warning if other programs were running, else nothing."""
    return [] if results["is_quiet"] else ["Warning: the machine was not quiet; these figures are too low."]


def _spread(figure: dict[str, float] | None, text: Callable[[float], str]) -> str:
    """``median (lowest–highest)``."""
    if figure is None:
        return _NONE
    return f"{text(figure['median'])} ({text(figure['min'])}–{text(figure['max'])})"


def quantity(value: float) -> str:
    """Three significant digits, in thousands (k) or millions (M) where that is shorter: 14.2k."""
    for factor, unit in ((1e6, "M"), (1e3, "k")):
        if float(f"{value:.3g}") >= factor:
            return f"{significant(value / factor)}{unit}"
    return significant(value)


def significant(value: float) -> str:
    """Three significant digits without an exponent: 14,200, 1.42."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(rounded)))}f}" if rounded else "0"
