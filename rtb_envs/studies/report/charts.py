"""What a report shows, apart from how it is drawn: lines, bars, heat maps and tables, with titles and units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

COLORS = ("#0b69a3", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7280")
"""Of the series in turn: Okabe & Ito's palette (2008), distinguishable without colour vision."""
SPAN_SHADES = ("#eef1f5", "#ffffff")


@dataclass(frozen=True)
class Line:
    """A series: y over x, with a band from ``low`` to ``high`` where they are given."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    is_reference: bool = False
    """Drawn thin, dashed and grey: a level to compare with."""
    place: int | None = None
    """Of its colour, so that it is the same in every chart; None: in the order of the chart's series."""


@dataclass(frozen=True)
class Span:
    """A named stretch of the x axis, shaded in turn."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True)
class LineChart:
    """Series over one axis; axis labels tell the unit."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    note: str = ""
    is_log: bool = False
    """Whether equal distances of y are equal ratios."""
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class BarChart:
    """Groups of bars: ``values[series][i]`` belongs to ``categories[i]``; ``digits`` decimals are written on them.

    None as ``digits``: nothing is.
    """

    title: str
    x_label: str
    categories: tuple[str, ...]
    y_label: str
    values: dict[str, tuple[float, ...]]
    digits: int | None = 1
    note: str = ""
    is_log: bool = False


@dataclass(frozen=True)
class HeatMap:
    """``values[row][column]``, None where there is nothing."""

    title: str
    x_label: str
    columns: tuple[str, ...]
    y_label: str
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    unit: str
    note: str = ""


@dataclass(frozen=True)
class TextTable:
    """Finished texts under a header with units; the first column is aligned left."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


Chart = LineChart | BarChart | HeatMap


@dataclass(frozen=True)
class Section:
    """A heading and what is under it, in order."""

    heading: str
    parts: tuple[Chart | TextTable, ...]


def line_color(chart: LineChart, line: Line) -> str:
    """The colour of a series that is no reference."""
    series = [line for line in chart.lines if not line.is_reference]
    place = series.index(line) if line.place is None else line.place
    return COLORS[place % len(COLORS)]


def bar_labels(chart: BarChart, values: Sequence[float]) -> list[str]:
    """What is written on the bars of a series."""
    return ["" if chart.digits is None else f"{value:,.{chart.digits}f}" for value in values]


def file_name(chart: Chart) -> str:
    """The chart's title as a file name without suffix."""
    return re.sub(r"[^a-z0-9]+", "_", chart.title.lower()).strip("_")
