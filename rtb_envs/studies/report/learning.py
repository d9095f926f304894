"""Sections of a report on a training: learning curves, the held-out evaluation, and what the learner reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from rtb_envs.studies.report.charts import Chart, Line, LineChart, Section, TextTable
from rtb_envs.studies.report.run_files import Json, RunFiles

LABELS = {
    "mean_episode_return": ("Mean return", "reward an episode"),
    "mean_reward": ("Mean reward", "reward a step"),
    "alive": ("Agents with budget", "share of the steps"),
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
    if not {"environment_steps", "score", "stage"} <= set(validation.columns):
        return
    score = pl.col("score")
    curves = validation.group_by("stage", "environment_steps").agg(mean=score.mean(), low=score.min(), high=score.max())
    lines = []
    for (stage,), part in curves.sort("stage", "environment_steps").group_by("stage", maintain_order=True):
        curve = _thinned(part)
        x = (curve["environment_steps"] / 1e6).to_list()
        mean, low, high = (curve[column].to_list() for column in ("mean", "low", "high"))
        lines.append(Line(f"stage {stage}", x, mean, low, high))
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
    # Measure -> agent -> column; of several learners a column is called agent/measure.
    columns: dict[str, dict[str, str]] = {}
    for column, dtype in metrics.schema.items():
        agent, _, measure = column.rpartition("/")
        if dtype.is_numeric() and measure not in NOT_SHOWN and metrics[column].n_unique() > 1:
            columns.setdefault(measure, {})[agent] = column
    order = [*(name for name in LABELS if name in columns), *(name for name in columns if name not in LABELS)]
    for measure in order[:MAX_LEARNER_CHARTS]:
        lines = []
        for agent, column in columns[measure].items():
            kept = _thinned(metrics.drop_nulls(column))
            x = (kept["environment_steps"] / 1e6).to_list()
            lines.append(Line(agent or measure, x, kept[column].to_list()))
        words = measure.replace("_", " ")
        title, label = LABELS.get(measure, (words[:1].upper() + words[1:], words))
        yield LineChart(title, "environment steps (millions)", label, tuple(lines))


def _results(results: Json) -> Iterator[TextTable]:
    evaluation = results.get("evaluation")
    if not isinstance(evaluation, dict):
        return
    share = 100 * float(evaluation.get("confidence", 0.95))
    note = f"[low, high]: {share:.0f} % intervals over seeds."
    if "agents" in evaluation:
        rows = tuple((one["name"], one["algorithm"], _interval(one["return"], 1, 2)) for one in evaluation["agents"])
        yield TextTable("Agents on held-out seeds", ("agent", "algorithm", "return (reward an episode)"), rows, note)
    if "methods" in evaluation:
        yield _methods(evaluation, note)


def _methods(evaluation: Json, note: str) -> TextTable:
    unit = str(evaluation.get("value", "value"))
    has_ceiling = "ceiling" in evaluation
    header = ["method", f"{unit} an episode", *(["share of the ceiling (%)"] if has_ceiling else [])]
    rows = []
    for method in sorted(evaluation["methods"], key=lambda one: -one["value"]["estimate"]):
        cells = [_interval(method["value"], 1, 2)]
        if has_ceiling:
            cells.append(_interval(method["share_of_ceiling"], 100, 1))
        rows.append((str(method.get("label", method["name"])), *cells))
    return TextTable("Methods on held-out seeds", tuple(header), tuple(rows), note)


def _interval(figure: dict[str, Any], scale: float, digits: int) -> str:
    estimate, low, high = (f"{scale * figure[end]:,.{digits}f}" for end in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(max(-(-rows.height // MAX_POINTS), 1))
