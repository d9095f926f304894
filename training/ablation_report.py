"""What a person sees of the curriculum's worth: a table on screen and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from rtb_envs.files import write_atomically
from training.pictures import DPI, LEARNER_COLOR, RULE_COLORS, STYLE

Results = dict[str, Any]
NAME = "ablation.png"
LABELS = {"curriculum": "through the curriculum", "scratch": "in the last stage alone"}
COLORS = {"curriculum": LEARNER_COLOR, "scratch": RULE_COLORS[0]}
MEASURES = {
    "profit": ("profit of the team ($ an episode)", 0),
    "nash_welfare": ("Nash welfare (× the strategy set's)", 2),
}
"""Measure -> its name with unit, and the digits that are shown."""


def table(results: Results) -> Table:
    """A row for each measure, on the way (area under its curve, per update) and at the end."""
    seeds = results["seeds"]
    grid = Table(
        title=f"Training on {results['env']} through the curriculum and in its last stage alone: {len(seeds)} seeds, "
        f"{results['iterations']:,} updates each",
        caption="On the way: area under the validation curve, per update, over the updates that the curriculum has in "
        f"its last stage.\n\\[low, high]: {100 * results['confidence']:.0f} % intervals of the paired difference, "
        "Student's t over seeds.",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    grid.add_column("")
    for heading in ("curriculum", "last stage\nalone", "difference"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for measure, (label, digits) in MEASURES.items():
        for part, when in (("area", "on the way"), ("end", "at the end")):
            figures = results[measure][part]
            means = [f"{figures[kind]['mean']:,.{digits}f}" for kind in LABELS]
            grid.add_row(f"{label},\n{when}", *means, _difference(figures, digits))
    return grid


def draw(out: Path, results: Results) -> str:
    """Write the picture into ``out``; returns its name."""
    with plt.rc_context(STYLE):
        figure = curves(results)
        write_atomically(out / NAME, lambda path: figure.savefig(path, dpi=DPI))
        plt.close(figure)
    return NAME


def curves(results: Results) -> Figure:
    """Each measure's curves over the last stage's share of the updates: a thin line a seed, thick ones for means."""
    figure, panels = plt.subplots(1, len(MEASURES), figsize=(11, 4.4), layout="constrained")
    millions = np.array(results["opportunities"]) / 1e6
    for axes, (measure, (label, _)) in zip(panels, MEASURES.items(), strict=True):
        for kind, name in LABELS.items():
            by_seed = np.array(results[measure]["curves"][kind])
            axes.plot(millions, by_seed.T, color=COLORS[kind], lw=0.8, alpha=0.5)
            axes.plot(millions, by_seed.mean(axis=0), "-o", color=COLORS[kind], lw=2.4, ms=4, label=name)
        axes.set_xlabel("opportunities of each learner so far (millions)")
        axes.set_ylabel(label)
    figure.suptitle(
        f"Validation in the last stage of {results['env']}: {len(results['seeds'])} seeds (thin) and their mean",
        x=0.01,
        ha="left",
    )
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9)
    return figure


def _difference(figures: Results, digits: int) -> str:
    interval = figures["difference"]
    if interval is None:
        return f"{figures['difference_by_seed'][0]:+,.{digits}f}"
    low, high = (f"{interval[end]:+,.{digits}f}" for end in ("low", "high"))
    return f"{interval['estimate']:+,.{digits}f}\n\\[{low}, {high}]"
