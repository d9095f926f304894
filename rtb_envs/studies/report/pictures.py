"""The charts of a report as PNG, PDF or SVG files, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rtb_envs.files import write_atomically
from rtb_envs.studies.report.charts import (
    COLORS,
    SPAN_SHADES,
    BarChart,
    Chart,
    HeatMap,
    LineChart,
    bar_labels,
    file_name,
    line_color,
)

DPI = 160
WIDE_FROM_BARS = 16
TICK_WIDTH = 14
"""Characters of a category in a line."""
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "rtb-envs",  # Equal charts give equal files.
}
_NO_DATES = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def write(chart: Chart, folder: Path, kind: str) -> Path:
    """Write a chart into ``folder`` as ``kind``: png, svg or pdf. Returns the file, named after the chart's title."""
    path = folder / f"{file_name(chart)}.{kind}"
    with matplotlib.rc_context(STYLE):
        figure = draw(chart)
        write_atomically(path, lambda unfinished: figure.savefig(unfinished, dpi=DPI, metadata=_NO_DATES[kind]))
    return path


def draw(chart: Chart) -> Figure:
    """A chart with its title."""
    is_wide = isinstance(chart, BarChart) and len(chart.categories) * len(chart.values) > WIDE_FROM_BARS
    figure = Figure(figsize=(12 if is_wide else 8.5, 5), layout="constrained")
    axes = figure.subplots()
    if isinstance(chart, LineChart):
        _lines(axes, chart)
    elif isinstance(chart, BarChart):
        _bars(axes, chart)
    else:
        _heat_map(figure, axes, chart)
    axes.set_title(_plain(chart.title), pad=12)
    if axes.get_legend_handles_labels()[1] and not isinstance(chart, HeatMap):
        figure.legend(loc="outside lower center", ncols=5, fontsize=10)
    return figure


def _lines(axes: Axes, chart: LineChart) -> None:
    for index, span in enumerate(chart.spans):
        axes.axvspan(span.begin, span.end, color=SPAN_SHADES[index % len(SPAN_SHADES)], lw=0, zorder=0)
        middle = (span.begin + span.end) / 2, 0
        below: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "center"}
        axes.annotate(span.name, middle, (0, 6), fontsize=9, color="#616e7c", **below)
    for line in chart.lines:
        if line.is_reference:
            axes.plot(line.x, line.y, color="#616e7c", lw=1.2, ls="--", label=_plain(line.name))
            continue
        color = line_color(chart, line)
        if line.low is not None and line.high is not None:
            axes.fill_between(np.asarray(line.x), line.low, line.high, color=color, alpha=0.18, lw=0)
        name = _plain(line.name) if len(chart.lines) > 1 else None
        axes.plot(line.x, line.y, "-" if len(line.x) > 1 else "o", color=color, lw=2, label=name)
    axes.set_xlabel(_plain(chart.x_label))
    axes.set_ylabel(_plain(chart.y_label))
    if chart.is_log:
        _in_logarithm(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _bars(axes: Axes, chart: BarChart) -> None:
    middle = np.arange(len(chart.categories))
    width = 0.8 / len(chart.values)
    for index, (name, values) in enumerate(chart.values.items()):
        place = middle + width * (index - (len(chart.values) - 1) / 2)
        label = name if len(chart.values) > 1 else None
        bars = axes.bar(place, values, 0.92 * width, color=COLORS[index % len(COLORS)], label=label)
        axes.bar_label(bars, bar_labels(chart, values), padding=2, fontsize=9 if len(chart.values) < 4 else 8)
    axes.set_xticks(middle, [fill(category, TICK_WIDTH) for category in chart.categories])
    axes.set_xlabel(_plain(chart.x_label))
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.12)
    axes.set_ylabel(_plain(chart.y_label))
    if chart.is_log:
        _in_logarithm(axes)
        axes.set_ylim(bottom=1)  # Counts: a bar begins at one.
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _heat_map(figure: Figure, axes: Axes, chart: HeatMap) -> None:
    values = np.array([[np.nan if value is None else value for value in row] for row in chart.values])
    image = axes.imshow(values, aspect="auto", cmap="viridis")
    figure.colorbar(image, ax=axes, label=_plain(chart.unit))
    step = max(len(chart.columns) // 12, 1)
    axes.set_xticks(range(0, len(chart.columns), step), chart.columns[::step])
    axes.set_yticks(range(len(chart.rows)), chart.rows)
    axes.grid(visible=False)
    axes.set_xlabel(_plain(chart.x_label))
    axes.set_ylabel(_plain(chart.y_label))


def _in_logarithm(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, which tell a scale of one decade too."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _plain(text: str) -> str:
    """Text whose dollars are dollars, not the ends of a formula."""
    return text.replace("$", r"\$")
