"""Sections of a report on a training: learning curves, the held-out evaluation, and what the learner reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from rtb_envs.studies.report.charts import Chart, Line, LineChart, Section, Span
from rtb_envs.studies.report.evaluation import held_out
from rtb_envs.studies.report.run_files import RunFiles

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
CAMPAIGN_LABELS = {
    "roas": ("ROAS", "attributed revenue over spend ($/$)", 1),
    "budget_used": ("Budget spent", "share of the budget (%)", 100),
    "market_share": ("Market share", "share of the impressions won (%)", 100),
    "win_rate": ("Win rate", "wins over bids (%)", 100),
    "cvr": ("CVR", "purchases over clicks (%)", 100),
    "cac": ("CAC", "spend over new customers ($)", 1),
}
"""Figure of a team's validation -> title, axis, scale."""
MAX_POINTS = 500
"""Of a line: enough for a screen."""
MAX_LEARNER_CHARTS = 8


def sections(run: RunFiles) -> list[Section]:
    """Every section that the files allow."""
    found = []
    has_ceiling = "ceiling" in (run.results or {}).get("evaluation", {})
    unit = "validation score (share of the ceiling)" if has_ceiling else "validation score"
    curves: tuple[Chart, ...] = ()
    if run.validation is not None and {"environment_steps", "score", "stage"} <= set(run.validation.columns):
        curves = (_learning_curve(run.validation, unit), *_learners(run.validation), *_campaigns(run.validation))
    if curves:
        found.append(Section("Learning curves", curves))
    tables = tuple(held_out(run.results)) if run.results is not None else ()
    if tables:
        found.append(Section("Held-out evaluation", tables))
    charts = tuple(_learner(run.metrics)) if run.metrics is not None else ()
    if charts:
        found.append(Section("What the learner reports", charts))
    return found


def lead(run: RunFiles) -> str:
    """One sentence on what runs and how far it is."""
    settings = run.settings or {}
    learners = settings.get("algos") or [settings.get("algo")]
    if not settings.get("algos") and run.metrics is not None and any("/" in name for name in run.metrics.columns):
        learners = ["a team"]  # By its algorithms' defaults; the setting "algo" is not theirs.
    what = ", ".join(str(name) for name in (settings.get("env"), *learners) if name is not None)
    seed = f", seed {settings['seed']}" if "seed" in settings else ""
    if run.metrics is None:
        return f"{what}{seed}".strip(", ")
    last = run.metrics.tail(1).to_dicts()[0]
    steps = f"{last['environment_steps']:,} environment steps" if "environment_steps" in last else ""
    state = "finished" if run.is_finished else "still training"
    return f"{what}{seed}: {steps}, {state}".strip(": ")


def _learning_curve(validation: pl.DataFrame, unit: str) -> LineChart:
    lines = tuple(
        Line(f"stage {stage}", *_curve(rows, "score"))
        for (stage,), rows in validation.sort("stage", "environment_steps").group_by("stage", maintain_order=True)
    )
    return LineChart(
        "Validation score",
        "environment steps (millions)",
        unit,
        lines,
        "Mean over validation seeds; the band is from the lowest to the highest seed. Stages are different markets.",
        spans=_spans(validation),
    )


def _learners(validation: pl.DataFrame) -> Iterator[LineChart]:
    """Of a team: the profit of each learner, and that of the rule of its seat."""
    for agent in _agents(validation, "profit"):
        ruled = _curve(validation, f"rule_profit/{agent}")
        lines = (Line("learner", *_curve(validation, f"profit/{agent}")), Line("rule", *ruled[:2], is_reference=True))
        yield LineChart(
            f"Profit of {agent} in validation",
            "environment steps (millions)",
            "attributed revenue less spend ($ an episode)",
            lines,
            "Mean over validation seeds and their range; the rule is that of the seat where rules play all seats.",
            spans=_spans(validation),
        )


def _campaigns(validation: pl.DataFrame) -> Iterator[LineChart]:
    """Of a team: the campaign figures of its learners."""
    everyone = _agents(validation, *CAMPAIGN_LABELS)
    for figure, (title, label, scale) in CAMPAIGN_LABELS.items():
        lines = tuple(
            Line(agent, *_curve(validation, f"{figure}/{agent}", scale)[:2], place=place)
            for place, agent in enumerate(everyone)
            if f"{figure}/{agent}" in validation.columns
        )
        if lines:
            spans = _spans(validation)
            note = "Mean over validation seeds."
            yield LineChart(f"{title} in validation", "environment steps (millions)", label, lines, note, spans=spans)


def _agents(validation: pl.DataFrame, *figures: str) -> list[str]:
    """Whose columns there are of these figures."""
    split = (column.partition("/") for column in validation.columns)
    return _in_order(agent for name, _, agent in split if agent and name in figures)


def _in_order(agents: Iterable[str]) -> list[str]:
    """Every agent once, advertiser_2 before advertiser_10: tables have columns in the order in which they came up."""
    return sorted(set(agents), key=lambda name: (len(name), name))


def _curve(
    validation: pl.DataFrame, column: str, scale: float = 1
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Millions of steps, and the mean, lowest and highest of the seeds there."""
    value = scale * pl.col(column)
    seeds = validation.drop_nulls(column).group_by("environment_steps")
    curve = _thinned(seeds.agg(mean=value.mean(), low=value.min(), high=value.max()).sort("environment_steps"))
    x = (curve["environment_steps"] / 1e6).to_list()
    return x, curve["mean"].to_list(), curve["low"].to_list(), curve["high"].to_list()


def _spans(validation: pl.DataFrame) -> tuple[Span, ...]:
    """The stages of a curriculum along the steps."""
    ends = validation.group_by("stage").agg(pl.col("environment_steps").max()).sort("stage").rows()
    edges = [0.0, *(end / 1e6 for _, end in ends)]
    return tuple(Span(f"stage {stage}", edges[i], edges[i + 1]) for i, (stage, _) in enumerate(ends))


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
    everyone = _in_order(agent for of_measure in columns.values() for agent in of_measure if agent)
    for measure in order[:MAX_LEARNER_CHARTS]:
        lines = []
        for agent in _in_order(columns[measure]):
            column = columns[measure][agent]
            kept = _thinned(metrics.drop_nulls(column))
            x = (kept["environment_steps"] / 1e6).to_list()
            place = everyone.index(agent) if agent else None
            lines.append(Line(agent or measure, x, kept[column].to_list(), place=place))
        words = measure.replace("_", " ")
        title, label = LABELS.get(measure, (words[:1].upper() + words[1:], words))
        yield LineChart(title, "environment steps (millions)", label, tuple(lines))


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(max(-(-rows.height // MAX_POINTS), 1))
