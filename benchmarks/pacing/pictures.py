"""The pictures of the pacing benchmark."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rtb_envs.files import write_atomically
from training.pictures import DPI, LEARNER_COLOR, RULE_COLORS, STYLE

Summary = dict[str, Any]
RULE_COLOR = "#7a8794"
_HIGHLIGHTED = 6
_LOWEST_SHOWN = 0.3


def draw(folder: Path, summary: Summary) -> list[str]:
    """Write every picture into ``folder``; returns the file names."""
    pictures: dict[str, Callable[[Summary], Figure]] = {
        "pacing_overall.png": overall,
        "pacing_by_budget.png": by_budget,
        "pacing_by_market.png": by_market,
    }
    for name, picture in pictures.items():
        with plt.rc_context(STYLE):
            figure = picture(summary)
            write_atomically(folder / name, lambda path, figure=figure: figure.savefig(path, dpi=DPI))  # type: ignore[misc]
            plt.close(figure)
    return list(pictures)


def overall(summary: Summary) -> Figure:
    """R/R* of every method over all tasks, with intervals, best on top."""
    methods = list(summary["methods"].values())[::-1]
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.3 * len(methods)), layout="constrained")
    for row, method in enumerate(methods):
        share = method["overall"]["share_of_optimum"]
        color = LEARNER_COLOR if method["is_learner"] else RULE_COLOR
        axes.plot([share["low"], share["high"]], [row, row], color=color, lw=6, alpha=0.35, solid_capstyle="butt")
        axes.plot(share["estimate"], row, "o", color=color, ms=6)
    axes.set_yticks(range(len(methods)), [method["label"] for method in methods])
    axes.set_ylim(-0.7, len(methods) - 0.3)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("value as a share of the hindsight optimum, R/R* (interquartile mean)")
    axes.set_title(f"Pacing over {summary['tasks']} tasks: mean and 95 % interval (blue: learners)")
    return figure


def by_budget(summary: Summary) -> Figure:
    """R/R* against the budget: the best methods, the learners and the linear rule in colour, the others grey."""
    shares = summary["budget_shares"]
    methods = summary["methods"]
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    shown = [name for name, method in methods.items() if method["is_learner"] or name == "linear"]
    best = [name for name in methods if name not in shown][: _HIGHLIGHTED - len(shown)]
    colors, styles = iter(RULE_COLORS), itertools.cycle(("-", "--", ":"))
    for name in reversed(methods):
        method = methods[name]
        level = [method["by_budget"].get(str(share), {}).get("estimate", np.nan) for share in shares]
        if name in shown or name in best:
            color = LEARNER_COLOR if method["is_learner"] else next(colors)
            line = next(styles) if method["is_learner"] else "-"
            axes.plot(
                range(len(shares)), level, line, marker="o", color=color, lw=2, ms=4, label=method["label"], zorder=3
            )
        else:
            axes.plot(range(len(shares)), level, color="#c8ced4", lw=1)
    axes.set_xticks(range(len(shares)), [f"1/{round(1 / share)}" for share in shares])
    axes.set_ylim(bottom=max(axes.get_ylim()[0], _LOWEST_SHOWN))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("budget, as a share of what the highest multiplier would spend")
    axes.set_ylabel("R/R* (interquartile mean over markets)")
    axes.set_title("R/R* by budget (grey: the other methods)")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def by_market(summary: Summary) -> Figure:
    """R/R* of every method in every market, as a heat map."""
    methods, markets = list(summary["methods"].values()), summary["markets"]
    share = np.array(
        [[method["by_market"].get(name, {}).get("estimate", np.nan) for name, _ in markets] for method in methods]
    )
    # Wide enough for the title where markets are few.
    size = (max(2.6 + 0.62 * len(markets), 5.0), 2.4 + 0.3 * len(methods))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    axes.grid(False)
    image = axes.imshow(share, cmap="viridis", vmin=_LOWEST_SHOWN, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(share.shape):
        value = share[row, column]
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        dark = np.isnan(value) or value > 0.75
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="black" if dark else "white")
    axes.set_xticks(range(len(markets)), [title for _, title in markets], rotation=45, ha="right")
    axes.set_yticks(range(len(methods)), [method["label"] for method in methods])
    axes.set_title("R/R* (%) by market, all budgets")
    figure.colorbar(image, ax=axes, format=PercentFormatter(1, decimals=0), label="R/R*")
    return figure
