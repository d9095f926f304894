"""The pictures of a run: learning curve, spend over the episode, and value against ceiling and optimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from rtb_envs.files import write_atomically
from rtb_envs.intervals import mean
from training.run import RunFolder

Results = dict[str, Any]
LEARNER_COLOR = "#1f4e9c"
# Okabe & Ito's palette, distinguishable without colour vision, for the rules in the order of the results.
RULE_COLORS = ("#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999999")
STAGE_SHADES = ("#f2f2f2", "#e4e4e4", "#ffffff")
NARROW = 0.12
"""Share of an axis below which the words for a stage would not fit."""
DPI = 160
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def draw(folder: RunFolder, results: Results, validation: pl.DataFrame) -> list[str]:
    """Write every picture that the results allow into the run's folder; returns the file names."""
    pictures: dict[str, Callable[[], Figure]] = {}
    if not validation.is_empty():
        pictures["learning_curve.png"] = lambda: learning_curve(results, validation)
    if all("spent_by_step" in method for method in results["evaluation"]["methods"]):
        pictures["spend.png"] = lambda: spend(results)
    if "ceiling" in results["evaluation"]:
        pictures["value.png"] = lambda: value(results)
    for name, picture in pictures.items():
        with plt.rc_context(STYLE):
            figure = picture()
            write_atomically(folder.path / name, lambda path, figure=figure: figure.savefig(path, dpi=DPI))  # type: ignore[misc]
            plt.close(figure)
    return list(pictures)


def learning_curve(results: Results, validation: pl.DataFrame) -> Figure:
    """Validation score against environment steps, its 95 % interval over seeds, and the rules' held-out scores."""
    evaluation = results["evaluation"]
    curve = validation.group_by("environment_steps", "stage", maintain_order=True).agg("score")
    curve = curve.with_columns(millions=pl.col("environment_steps") / 1e6)
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.margins(y=0.12)
    shade_stages(axes, curve)
    ((learner, color),) = _learner(results)
    # Stages are different markets, so the curve is not joined between them.
    for index, (_, rows) in enumerate(curve.group_by("stage", maintain_order=True)):
        intervals = [mean(np.array(scores), evaluation["bootstrap_samples"]) for scores in rows["score"].to_list()]
        low, high = [one.low for one in intervals], [one.high for one in intervals]
        axes.fill_between(rows["millions"], low, high, color=color, alpha=0.25, lw=0)
        label = learner["label"] if index == 0 else None
        axes.plot(rows["millions"], [one.estimate for one in intervals], "-o", color=color, lw=2, ms=3, label=label)
    has_ceiling = "ceiling" in evaluation
    last_stage = curve.filter(pl.col("stage") == pl.col("stage").max())["millions"]
    for index, (method, color) in enumerate(_rules(results)):
        if method["name"] == "random":
            continue  # So far below the rest that it would flatten the curve; ``value`` shows it.
        level = method["share_of_ceiling" if has_ceiling else "value"]["estimate"]
        # Dashes that begin apart, so that lines of nearly the same level are all seen.
        dashes = (4 * index, (4, 8))
        axes.hlines(level, last_stage[0], last_stage[-1], color=color, lw=1.8, ls=dashes, label=method["label"])
    axes.set_xlabel("environment steps (millions)")
    axes.set_ylabel(f"{evaluation['value']}, " + ("share of the ceiling" if has_ceiling else "an episode"))
    if has_ceiling:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_title(
        f"Learning curve on {results['market']['env']}: mean and 95 % interval over validation seeds\n"
        "(dashed: rules in the last stage's held-out markets)"
    )
    _legend_below(figure)
    return figure


def spend(results: Results) -> Figure:
    """Share of the budget spent by each step of the episode."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    horizon = results["market"]["horizon"]
    step = np.arange(horizon + 1)
    axes.plot(step, results["market"]["spend_plan"], color="black", lw=1.2, ls=":", label="plan, even over the traffic")
    for method, color in [*_rules(results), *_learner(results)]:
        path = method["spent_by_step"]
        if method["is_learner"]:
            axes.fill_between(step, path["low"], path["high"], color=color, alpha=0.2, lw=0)
        axes.plot(step, path["mean"], color=color, lw=2.5 if method["is_learner"] else 1.5, label=method["label"])
    axes.set_xlabel("step of the episode")
    axes.set_ylabel("budget spent so far")
    axes.set_xlim(0, horizon)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_title(
        f"Spend against plan on {results['market']['env']}, stage {results['market']['stage']}\n"
        "(mean of held-out episodes; band: the learner's central 80 % of episodes)"
    )
    _legend_below(figure)
    return figure


def value(results: Results) -> Figure:
    """Each method's value as a share of the ceiling and of the optimum, with 95 % intervals over seeds."""
    methods = sorted([*_rules(results), *_learner(results)], key=lambda pair: pair[0]["share_of_ceiling"]["estimate"])
    figure, panels = plt.subplots(1, 2, figsize=(9, 1.4 + 0.5 * len(methods)), sharey=True, layout="constrained")
    names = {"share_of_ceiling": "of the ceiling, ΣR/Σceiling", "share_of_optimum": "of the optimum, ΣR/ΣR*"}
    for axes, (measure, title) in zip(panels, names.items(), strict=True):
        for row, (method, color) in enumerate(methods):
            estimate, low, high = (method[measure][end] for end in ("estimate", "low", "high"))
            axes.plot([low, high], [row, row], color=color, lw=11, alpha=0.4, solid_capstyle="butt")
            axes.plot(estimate, row, "o", color=color, ms=6)
            text = f"{100 * estimate:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
            axes.annotate(text, (estimate, row), (0, 9), textcoords="offset points", ha="center", fontsize=9)
        axes.set_yticks(range(len(methods)), [method["label"] for method, _ in methods])
        axes.set_ylim(-0.5, len(methods) - 0.3)
        axes.margins(x=0.25)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(f"share {title}")
    evaluation, market = results["evaluation"], results["market"]
    episodes = f"{len(evaluation['seeds'])} held-out seeds × {evaluation['episodes_per_seed']} episodes"
    figure.suptitle(
        f"{evaluation['value'].capitalize()} on {market['env']}, stage {market['stage']}: {episodes}, 95 % intervals",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    return figure


def _legend_below(figure: Figure) -> None:
    """Outside the axes, where it can hide no line."""
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)


def shade_stages(axes: Axes, curve: pl.DataFrame) -> None:
    """A shade and a name for the span of each stage; of a narrow one there is room for the number alone."""
    begins, whole = 0.0, float(curve["millions"].to_numpy().max())
    for stage, ends in curve.group_by("stage", maintain_order=True).agg(pl.col("millions").max()).iter_rows():
        narrow = ends - begins < NARROW * whole
        axes.axvspan(begins, ends, color=STAGE_SHADES[(stage - 1) % len(STAGE_SHADES)], lw=0, zorder=0)
        axes.annotate(
            str(stage) if narrow else f"stage {stage}",
            ((begins + ends) / 2, 0),
            (0, 6),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color="#555555",
        )
        begins = ends
    axes.set_xlim(0, begins)


def _rules(results: Results) -> list[tuple[Results, str]]:
    rules = [method for method in results["evaluation"]["methods"] if not method["is_learner"]]
    return [(method, RULE_COLORS[i % len(RULE_COLORS)]) for i, method in enumerate(rules)]


def _learner(results: Results) -> list[tuple[Results, str]]:
    return [(method, LEARNER_COLOR) for method in results["evaluation"]["methods"] if method["is_learner"]]
