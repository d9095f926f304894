"""Pictures of a scenario: rolling metrics, pressure against revenue, and the deltas of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import plotly.graph_objects as go
import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from plotly.subplots import make_subplots

from rtb_envs.files import write_atomically
from rtb_envs.pages import literal
from rtb_envs.studies.placement.comparison import MEASURES, Figure
from rtb_envs.studies.placement.simulation import WINDOW

BLUE, ORANGE, MUTED, LIGHT = "#0b69a3", "#d55e00", "#616e7c", "#e4e7eb"
CURVES = (
    ("revenue", f"Revenue of {WINDOW} events ($)", 1.0),
    ("ctr", "CTR (% of impressions)", 100.0),
    ("fill_rate", "Fill rate (% of opened slots)", 100.0),
)
EVENT_AXIS = f"Event (the last of {WINDOW})"
PRESSURE_AXIS = f"Mean pressure on users in {WINDOW} events (impressions)"
REVENUE_AXIS = f"Revenue of {WINDOW} events ($)"


def rolling_png(rolling: pl.DataFrame, path: Path) -> None:
    """Revenue, CTR and fill rate of the last 100 events of a day."""
    drawing = _drawing(8.0, 6.6)
    panels = drawing.subplots(len(CURVES), 1, sharex=True)
    for axes, (name, label, scale) in zip(panels, CURVES, strict=True):
        axes.plot(rolling["t"], rolling[name].cast(pl.Float64) * scale, color=BLUE, linewidth=1.6)
        axes.set_ylabel(label, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.grid(color=LIGHT)
    panels[-1].set_xlabel(EVENT_AXIS)
    _save(drawing, path)


def scatter_png(bins: pl.DataFrame, path: Path) -> None:
    """Mean pressure and revenue of each bin of 100 events."""
    drawing = _drawing(7.0, 4.6)
    axes = drawing.subplots()
    axes.scatter(bins["pressure"], bins["revenue"], s=14, alpha=0.45, color=BLUE, linewidths=0)
    axes.set_xlabel(PRESSURE_AXIS)
    axes.set_ylabel(REVENUE_AXIS)
    axes.grid(color=LIGHT)
    axes.set_axisbelow(True)
    _save(drawing, path)


def deltas_png(deltas: Mapping[str, Figure], path: Path) -> None:
    """Change of each measure with its interval."""
    known = [(MEASURES[name].title, figure) for name, figure in deltas.items() if figure.estimate is not None]
    drawing = _drawing(7.5, 4.6)
    axes = drawing.subplots()
    place = np.arange(len(known))[::-1]
    middle = np.array([figure.estimate for _, figure in known])
    ends = np.array([[figure.low, figure.high] for _, figure in known], np.float64).T
    axes.errorbar(middle, place, xerr=np.abs(ends - middle), fmt="o", color=BLUE, capsize=3)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_yticks(place, [title for title, _ in known])
    axes.set_xlabel("Change from the first scenario to the second (%, 95 % interval)")
    axes.grid(axis="x", color=LIGHT)
    _save(drawing, path)


def rolling_figure(rolling: pl.DataFrame) -> go.Figure:
    """The interactive form of ``rolling_png``."""
    figure: Any = make_subplots(rows=len(CURVES), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for row, (name, label, scale) in enumerate(CURVES, 1):
        values = (rolling[name].cast(pl.Float64) * scale).to_list()
        line = go.Scatter(x=rolling["t"].to_list(), y=values, mode="lines", name=label, line={"color": BLUE})
        figure.add_trace(line, row=row, col=1)
        figure.update_yaxes(title_text=label.replace(" (", "<br>("), rangemode="tozero", row=row, col=1)
    figure.update_xaxes(title_text=EVENT_AXIS, row=len(CURVES), col=1)
    return figure.update_layout(showlegend=False, height=720)


def scatter_figure(bins: Mapping[str, pl.DataFrame]) -> go.Figure:
    """The interactive form of ``scatter_png``, of one scenario or several by name."""
    figure = go.Figure()
    for (name, frame), color in zip(bins.items(), (BLUE, ORANGE), strict=False):
        marker = {"size": 6, "opacity": 0.5, "color": color}
        x, y = frame["pressure"].to_list(), frame["revenue"].to_list()
        figure.add_trace(go.Scatter(x=x, y=y, mode="markers", name=literal(name), marker=marker))
    return figure.update_layout(
        xaxis_title=PRESSURE_AXIS, yaxis_title=REVENUE_AXIS, showlegend=len(bins) > 1, height=480
    )


def deltas_figure(deltas: Mapping[str, Figure]) -> go.Figure:
    """The interactive form of ``deltas_png``."""
    known = [(MEASURES[name].title, figure) for name, figure in deltas.items() if figure.estimate is not None]
    middle = [figure.estimate for _, figure in known]
    error = {
        "type": "data",
        "symmetric": False,
        "array": [None if figure.high is None else figure.high - (figure.estimate or 0) for _, figure in known],
        "arrayminus": [None if figure.low is None else (figure.estimate or 0) - figure.low for _, figure in known],
    }
    points = go.Scatter(x=middle, y=[title for title, _ in known], error_x=error, mode="markers", marker={"size": 9})
    figure = go.Figure(points).update_yaxes(autorange="reversed")
    figure.add_vline(x=0, line_color=MUTED)
    return figure.update_layout(xaxis_title="Change from the first scenario to the second (%, 95 % interval)")


def _drawing(width: float, height: float) -> Drawing:
    drawing = Drawing(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def _save(drawing: Drawing, path: Path) -> None:
    metadata = {"Software": f"matplotlib {matplotlib.__version__}"}
    write_atomically(path, lambda unfinished: drawing.savefig(unfinished, format="png", metadata=metadata))
