"""A report as one HTML page that holds all it needs: charts by plotly, on ``rtb_envs.pages``. Extra ``[studies]``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from rtb_envs.pages import GRID, MUTED, Page
from rtb_envs.studies.report.charts import (
    COLORS,
    SPAN_SHADES,
    BarChart,
    Chart,
    HeatMap,
    LineChart,
    Section,
    TextTable,
    bar_labels,
    line_color,
)

_TICKS = [digit * 10**power for power in range(-3, 8) for digit in (1, 2, 5)]
_IN_LOGARITHM: dict[str, Any] = {"type": "log", "tickvals": _TICKS, "ticktext": [f"{tick:,.10g}" for tick in _TICKS]}
"""A scale whose ticks are whole numbers; plotly's own leave out the power of ten."""


def page(title: str, lead: str, sections: Sequence[Section], refresh_seconds: int | None = None) -> Page:
    """The page of a report."""
    made = Page(title, lead, refresh_seconds)
    for section in sections:
        made.heading(section.heading)
        for part in section.parts:
            if isinstance(part, TextTable):
                made.table(part.title, part.header, part.rows, part.note)
            else:
                made.figure(part.title, draw(part), part.note)
    return made


def draw(chart: Chart) -> go.Figure:
    """A chart as a plotly figure; its title is left to the page."""
    if isinstance(chart, LineChart):
        return _lines(chart)
    return _bars(chart) if isinstance(chart, BarChart) else _heat_map(chart)


def _lines(chart: LineChart) -> go.Figure:
    figure = go.Figure()
    for line in chart.lines:
        if line.is_reference:
            style = {"color": MUTED, "width": 1.5, "dash": "dash"}
            figure.add_scatter(x=[*line.x], y=[*line.y], name=line.name, mode="lines", line=style)
            continue
        color = line_color(chart, line)
        if line.low is not None and line.high is not None:
            around = {"fill": "toself", "fillcolor": color, "opacity": 0.18, "line": {"width": 0}}
            x, y = [*line.x, *reversed(line.x)], [*line.high, *reversed(line.low)]
            figure.add_scatter(x=x, y=y, mode="lines", showlegend=False, hoverinfo="skip", **around)
        mode = "lines" if len(line.x) > 1 else "markers"
        figure.add_scatter(x=[*line.x], y=[*line.y], name=line.name, mode=mode, line={"color": color, "width": 2.5})
    for index, span in enumerate(chart.spans):
        label = {"annotation_text": span.name, "annotation_position": "bottom"}
        shade = {"fillcolor": SPAN_SHADES[index % len(SPAN_SHADES)], "layer": "below", "line_width": 0}
        figure.add_vrect(x0=span.begin, x1=span.end, **shade, **label)
    figure.update_layout(showlegend=len(chart.lines) > 1)
    scale = _IN_LOGARITHM if chart.is_log else {}
    return figure.update_xaxes(title=chart.x_label).update_yaxes(title=chart.y_label, **scale)


def _bars(chart: BarChart) -> go.Figure:
    figure = go.Figure()
    for index, (name, values) in enumerate(chart.values.items()):
        figure.add_bar(
            x=chart.categories,
            y=values,
            name=name,
            marker_color=COLORS[index % len(COLORS)],
            text=bar_labels(chart, values),
            textposition="outside",
            cliponaxis=False,
        )
    figure.update_layout(barmode="group", showlegend=len(chart.values) > 1)
    figure.update_xaxes(title=chart.x_label, showgrid=False)
    if chart.is_log:
        most = max(max(values) for values in chart.values.values())
        # Counts: a bar begins at one, and has room for its label.
        figure.update_yaxes(range=[0, 1.05 * math.log10(max(most, 10))], **_IN_LOGARITHM)
    return figure.update_yaxes(title=chart.y_label)


def _heat_map(chart: HeatMap) -> go.Figure:
    figure = go.Figure(
        go.Heatmap(
            x=chart.columns,
            y=chart.rows,
            z=chart.values,
            colorscale="Viridis",
            colorbar={"title": {"text": chart.unit, "side": "right"}},
            hovertemplate="%{y}, %{x}: %{z:.2f}<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_xaxes(title=chart.x_label, type="category", showgrid=False)
    return figure.update_yaxes(
        title=chart.y_label, autorange="reversed", type="category", gridcolor=GRID, showgrid=False
    )
