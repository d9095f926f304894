"""Sections of a report on a training: learning curves, the held-out evaluation, and what the learner reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from rtb_envs.studies.report.charts import Chart, Line, LineChart, Section, TextTable
from rtb_envs.studies.report.run_files import Json, RunFiles

LABELS = {
    "mean_episode_return": ("Mean return", "reward an episode"),
    "entropy": ("Entropy of the policy", "entropy (nats)"),
    "approx_kl": ("Change of the policy by an update", "approximate KL divergence (nats)"),
    "value_loss": ("Value loss", "loss (squared return)"),
    "policy_loss": ("Policy loss", "loss (advantage)"),
    "explained_variance": ("Variance of the returns that the value function explains", "share of the variance"),
    "clip_fraction": ("Clipped updates", "share of the samples"),
}
"""Column of the metrics -> title and axis, in the order of the report; other columns follow under their names."""
NOT_SHOWN = {
    "iteration",
    "episodes",
    "environment_steps",
    "stage",
    "seconds",
    "wall_time",
    "seed",
    "agent",
    "learning_rate",
}
MAX_POINTS = 500
"""Of a line: enough for a screen."""
MAX_LEARNER_CHARTS = 8


def sections(run: RunFiles) -> list[Section]:
    """Every section that the files allow."""
    found = []
    has_ceiling = "ceiling" in (run.results or {}).get("evaluation", {})
    unit = "validation score (share of the ceiling)" if has_ceiling else "validation score"
    curves = tuple(_learning_curves(run.validation, unit)) if run.validation is not None else ()
    if curves:
        found.append(Section("Learning curves", curves))
    tables = tuple(_results(run.results)) if run.results is not None else ()
    if tables:
        found.append(Section("Held-out evaluation", tables))
    charts = tuple(_learner(run.metrics)) if run.metrics is not None else ()
    if charts:
        found.append(Section("What the learner reports", charts))
    return found


def lead(run: RunFiles) -> str:
    """One sentence on what runs and how far it is."""
    settings = run.settings or {}
    what = ", ".join(str(settings[name]) for name in ("env", "algo") if settings.get(name) is not None)
    seed = f", seed {settings['seed']}" if "seed" in settings else ""
    if run.metrics is None:
        return f"{what}{seed}".strip(", ")
    last = run.metrics.tail(1).to_dicts()[0]
    steps = f"{last['environment_steps']:,} environment steps" if "environment_steps" in last else ""
    state = "finished" if run.is_finished else "still training"
    return f"{what}{seed}: {steps}, {state}".strip(": ")


def _learning_curves(validation: pl.DataFrame, unit: str) -> Iterator[Chart]:
    if not {"environment_steps", "score"} <= set(validation.columns):
        return
    lines = []
    for name, rows in _by_agent(validation):
        for stage, part in _by(rows, "stage"):
            curve = part.group_by("environment_steps").agg(
                mean=pl.col("score").mean(), low=pl.col("score").min(), high=pl.col("score").max()
            )
            curve = _thinned(curve.sort("environment_steps"))
            label = ", ".join(part for part in (name, f"stage {stage}" if stage is not None else "") if part)
            x = (curve["environment_steps"] / 1e6).to_list()
            mean, low, high = (curve[column].to_list() for column in ("mean", "low", "high"))
            lines.append(Line(label or "score", x, mean, low, high))
    yield LineChart(
        "Validation score",
        "environment steps (millions)",
        unit,
        tuple(lines),
        "Mean over validation seeds; the band is from the lowest to the highest seed. Stages are different markets.",
    )


def _learner(metrics: pl.DataFrame) -> Iterator[Chart]:
    if "environment_steps" not in metrics.columns:
        return
    numbers = [name for name, dtype in metrics.schema.items() if dtype.is_numeric() and name not in NOT_SHOWN]
    changing = [name for name in numbers if metrics[name].n_unique() > 1]
    order = [*(name for name in LABELS if name in changing), *(name for name in changing if name not in LABELS)]
    for column in order[:MAX_LEARNER_CHARTS]:
        lines = []
        for name, rows in _by_agent(metrics):
            kept = _thinned(rows.drop_nulls(column))
            if not kept.is_empty():
                lines.append(Line(name or column, (kept["environment_steps"] / 1e6).to_list(), kept[column].to_list()))
        if lines:
            words = column.replace("_", " ")
            title, label = LABELS.get(column, (words[:1].upper() + words[1:], words))
            yield LineChart(title, "environment steps (millions)", label, tuple(lines))


def _results(results: Json) -> Iterator[TextTable]:
    evaluation = results.get("evaluation")
    if not isinstance(evaluation, dict) or "methods" not in evaluation:
        return
    unit = str(evaluation.get("value", "value"))
    has_ceiling = "ceiling" in evaluation
    header = ["method", f"{unit} an episode", *(["share of the ceiling (%)"] if has_ceiling else [])]
    rows = []
    for method in sorted(evaluation["methods"], key=lambda one: -one["value"]["estimate"]):
        cells = [_interval(method["value"], 1, 2)]
        if has_ceiling:
            cells.append(_interval(method["share_of_ceiling"], 100, 1))
        rows.append((str(method.get("label", method["name"])), *cells))
    share = 100 * float(evaluation.get("confidence", 0.95))
    yield TextTable("Methods on held-out seeds", tuple(header), tuple(rows), f"[low, high]: {share:.0f} % intervals.")


def _interval(figure: dict[str, Any], scale: float, digits: int) -> str:
    estimate, low, high = (f"{scale * figure[end]:,.{digits}f}" for end in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def _by_agent(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for agent, rows in _by(table, "agent"):
        yield "" if agent is None else str(agent), rows


def _by(table: pl.DataFrame, column: str) -> Iterator[tuple[Any, pl.DataFrame]]:
    """The parts of a table by the values of a column, in order; the whole table where there is no such column."""
    if column not in table.columns:
        yield None, table
        return
    for (value,), rows in table.group_by(column, maintain_order=True):
        yield value, rows


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(max(-(-rows.height // MAX_POINTS), 1))
