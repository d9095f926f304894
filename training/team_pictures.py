"""The picture of a team's training: a learning curve for each agent."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from rtb_envs.files import write_atomically
from rtb_envs.intervals import mean
from training.pictures import DPI, LEARNER_COLOR, RULE_COLORS, STYLE, shade_stages
from training.run import RunFolder

Results = dict[str, Any]
NAME = "learning_curve.png"


def draw(folder: RunFolder, results: Results, validation: pl.DataFrame) -> list[str]:
    """Write the learning curves into the run's folder; returns the file names."""
    if validation.is_empty():
        return []
    with plt.rc_context(STYLE):
        figure = learning_curves(results, validation)
        write_atomically(folder.path / NAME, lambda path: figure.savefig(path, dpi=DPI))
        plt.close(figure)
    return [NAME]


def learning_curves(results: Results, validation: pl.DataFrame) -> Figure:
    """Each agent's validation profit against its opportunities, and that of its rule where rules play all seats."""
    evaluation = results["evaluation"]
    seats = evaluation["agents"]
    rows = -(-len(seats) // 2)
    figure, panels = plt.subplots(rows, 2, figsize=(11, 3.4 * rows), layout="constrained", squeeze=False, sharex=True)
    curve = validation.group_by("environment_steps", "stage", maintain_order=True).agg(pl.col("^(rule_)?profit/.*$"))
    curve = curve.with_columns(millions=pl.col("environment_steps") / 1e6)
    for axes, seat in zip(panels.flat, seats, strict=False):
        axes.margins(y=0.15)
        shade_stages(axes, curve)
        for index, (_, part) in enumerate(curve.group_by("stage", maintain_order=True)):
            drawn = (("profit", LEARNER_COLOR, "-o", "learner"), ("rule_profit", RULE_COLORS[0], "--", "strategy set"))
            for prefix, color, style, label in drawn:
                values = part[f"{prefix}/{seat['agent']}"].to_list()
                ends = [mean(np.array(value), evaluation["bootstrap_samples"]) for value in values]
                name = label if index == 0 else None
                axes.plot(part["millions"], [end.estimate for end in ends], style, color=color, lw=2, ms=3, label=name)
                if prefix == "profit":
                    low, high = [end.low for end in ends], [end.high for end in ends]
                    axes.fill_between(part["millions"], low, high, color=color, alpha=0.25, lw=0)
        axes.set_title(f"{seat['agent']} ({seat['algo']}; rule: {seat['rule']})")
        axes.set_ylabel("profit ($ an episode)")
        axes.set_xlabel("opportunities (millions)")
    for axes in panels.flat[len(seats) :]:
        axes.set_visible(False)
    figure.suptitle(
        f"Learning on {results['market']['env']}: mean and 95 % interval over validation seeds", x=0.01, ha="left"
    )
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)
    return figure
