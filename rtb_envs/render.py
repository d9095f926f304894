"""Episodes shown to a person: the curves that an environment names in ``render_panels``, as a picture or as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from rtb_envs.core import RenderPanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

RenderMode = Literal["rgb_array", "ansi"]
Curves = Sequence[Sequence[float]]
"""One sequence of values, a value a step, for each panel."""

_WIDTH_INCHES, _HEIGHT_INCHES, _DOTS_PER_INCH = 6.4, 4.8, 100
_INK, _MUTED, _GRID, _ACCENT = "#1f2933", "#616e7c", "#e4e7eb", "#0b69a3"
_MARKED_STEPS = 48
"""Longer curves are drawn without a mark on each step."""
_HEADROOM = 1.12
_BARS = "▁▂▃▄▅▆▇█"
_TEXT_STEPS = 40
"""Latest steps that the text shows."""


class Recorder:
    """The curves of one episode so far, and how ``renderer`` shows them."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._curves: list[list[float]] = [[] for _ in renderer.panels]

    def clear(self) -> None:
        """Begin an episode."""
        self._curves = [[] for _ in self._curves]

    def record(self, info: Mapping[str, Any]) -> None:
        """Add a step's info."""
        for panel, curve in zip(self._renderer.panels, self._curves, strict=True):
            curve.append(float(info[panel.source]))

    def frame(self) -> npt.NDArray[np.uint8] | str:
        """The episode so far as the renderer's mode has it."""
        return self._renderer.frame(self._curves)


class Renderer:
    """Shows episodes of one environment; keeps its figure between pictures.

    ``horizon`` is the number of steps that the axes are laid out for; None lets them grow with the episode.
    """

    def __init__(self, title: str, panels: Sequence[RenderPanel], mode: RenderMode, horizon: int | None = None) -> None:
        self.panels = tuple(panels)
        self._title = title
        self._mode = mode
        self._horizon = horizon
        self._picture: _Picture | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_picture": None}

    def frame(self, curves: Curves) -> npt.NDArray[np.uint8] | str:
        """uint8[480, 640, 3] in the mode "rgb_array", a text in "ansi"."""
        steps = len(curves[0])
        progress = f"step {steps}" + (f" of {self._horizon}" if self._horizon is not None else "")
        if self._mode == "ansi":
            return text(f"{self._title}   {progress}", self.panels, curves)
        if self._picture is None:
            self._picture = _Picture(self.panels)
        return self._picture.draw(f"{self._title}   {progress}", curves, max(self._horizon or 0, steps))


def text(heading: str, panels: Sequence[RenderPanel], curves: Curves) -> str:
    """A heading and a line for each panel: its title, bars of the latest steps from 0 up, the current value, its unit.

    Bars are scaled by the largest absolute value of the episode; negative values show as the lowest bar.
    """
    width = max(len(panel.title) for panel in panels)
    shown = min(max(len(curve) for curve in curves), _TEXT_STEPS)
    lines = [heading]
    for panel, curve in zip(panels, curves, strict=True):
        current = number(curve[-1]) if curve else "–"
        lines.append(f"  {panel.title:<{width}}  {_bars(curve):<{shown}}  {current:>9} {panel.unit}".rstrip())
    return "\n".join(lines) + "\n"


def _bars(curve: Sequence[float]) -> str:
    top = max((abs(value) for value in curve), default=0.0) or 1.0
    levels = (math.ceil(len(_BARS) * value / top) - 1 for value in curve[-_TEXT_STEPS:])
    return "".join(_BARS[min(max(level, 0), len(_BARS) - 1)] for level in levels)


def number(value: float) -> str:
    """``value`` with thousands separated: whole from 1,000 on or if it is whole, else three significant digits."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


def _tick(value: float) -> str:
    """``value`` in the width that an axis has: millions and thousands by their letters from 10,000 on."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= max(unit, 1e4):
            return f"{value / unit:,.6g}{letter}"
    return f"{value:,.6g}"


class _Picture:
    """A figure with one set of axes a panel, drawn again for each frame."""

    def __init__(self, panels: Sequence[RenderPanel]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        columns = min(len(panels), 2)
        rows = math.ceil(len(panels) / columns)
        self._figure = Figure((_WIDTH_INCHES, _HEIGHT_INCHES), dpi=_DOTS_PER_INCH, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)
        self._heading = self._figure.text(0.02, 0.965, "", color=_INK, fontsize=11, fontweight="bold", va="center")
        self._figure.subplots_adjust(0.11, 0.09, 0.975, 0.87, wspace=0.32, hspace=0.3)
        axes = [self._figure.add_subplot(rows, columns, i + 1) for i in range(len(panels))]
        self._panels = [_PanelAxes(ax, panel) for ax, panel in zip(axes, panels, strict=True)]
        for ax in axes[-columns:]:
            ax.set_xlabel("step", fontsize=8, color=_MUTED)

    def draw(self, heading: str, curves: Curves, steps: int) -> npt.NDArray[np.uint8]:
        """uint8[480, 640, 3]; the horizontal axis holds ``steps`` steps."""
        self._heading.set_text(heading)
        for panel, curve in zip(self._panels, curves, strict=True):
            panel.show(curve, steps)
        self._canvas.draw()
        return np.array(self._canvas.buffer_rgba(), dtype=np.uint8)[..., :3].copy()


class _PanelAxes:
    """One panel: the curve, its latest value marked and written out."""

    def __init__(self, axes: Axes, panel: RenderPanel) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        self._axes = axes
        axes.set_title(panel.title, loc="left", fontsize=10, fontweight="bold", color=_INK)
        axes.set_ylabel(panel.unit, fontsize=7.5, color=_MUTED)
        axes.yaxis.set_label_coords(-0.19, 0.5)
        axes.tick_params(labelsize=8, colors=_MUTED, length=0)
        axes.grid(color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(_MUTED)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        self._line: Line2D = axes.plot([], [], color=_ACCENT, linewidth=1.8, markersize=3.5, clip_on=False)[0]
        self._latest: Line2D = axes.plot([], [], "o", color=_ACCENT, markersize=7, clip_on=False)[0]
        self._value = axes.set_title("", loc="right", fontsize=10, color=_ACCENT, fontweight="bold")

    def show(self, curve: Sequence[float], steps: int) -> None:
        """Draw ``curve``, whose first value belongs to step 1, on an axis of ``steps`` steps."""
        at = range(1, len(curve) + 1)
        self._line.set_data(at, curve)
        self._line.set_marker("o" if steps <= _MARKED_STEPS else "")
        self._latest.set_data(at[-1:], curve[-1:])
        self._value.set_text(number(curve[-1]) if curve else "")
        self._axes.set_xlim(0.5, max(steps, 1) + 0.5)
        low, high = min(0.0, *curve, 0.0), max(0.0, *curve, 0.0)
        self._axes.set_ylim(low * _HEADROOM, high * _HEADROOM if high > 0 or low < 0 else 1.0)
