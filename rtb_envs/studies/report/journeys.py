"""Sections of a report on the customers of an episode: their stages, what they did there, and the bids for them."""

from __future__ import annotations

import polars as pl

from rtb_envs.studies.report.agent_metrics import AgentMetrics
from rtb_envs.studies.report.charts import BarChart, HeatMap, Section, TextTable
from rtb_envs.studies.retargeting.tables import Recording
from rtb_envs.users.lifecycle import STAGES

HOURS = tuple(f"{hour:02}" for hour in range(24))
STAGE_NAMES = tuple(stage.replace("_", " ") for stage in STAGES)
STEPS = {
    "bids": ("bids", None),
    "impressions": ("wins", "bids"),
    "clicks": ("clicks", "wins"),
    "purchases after a click": ("conversions", "clicks"),
    "purchases attributed": ("attributed_purchases", None),
    "new customers": ("new_customers", "attributed_purchases"),
}
"""Step of an agent's funnel -> count, and the step that it is a share of."""


def journey(episode: Recording, metrics: list[AgentMetrics], names: dict[str, str]) -> Section:
    """The stages of the journey, and the funnels by stage and by agent."""
    return Section(
        "The customer journey",
        (_stages(episode), _by_stage(episode), _by_agent(metrics, names), _funnel(metrics, names)),
    )


def bids(episode: Recording, names: dict[str, str]) -> Section:
    """A heat map of the bids of each agent."""
    return Section("Bids by stage and hour", tuple(_bids(episode, agent, name) for agent, name in names.items()))


def _stages(episode: Recording) -> BarChart:
    def share(when: pl.Expr) -> tuple[float, ...]:
        customers = _of_stages(episode.journey.filter(pl.col("opportunities") == when), "customers")
        return tuple(100 * value / sum(customers) for value in customers)

    opportunities = pl.col("opportunities")
    return BarChart(
        "Customers by stage of the journey",
        "stage of the customer",
        STAGE_NAMES,
        "share of the customers (%)",
        {"at the beginning": share(opportunities.min()), "at the end": share(opportunities.max())},
    )


def _by_stage(episode: Recording) -> BarChart:
    last = episode.journey.filter(pl.col("opportunities") == pl.col("opportunities").max())
    sums = episode.bids.group_by("stage").agg(pl.col("wins", "clicks").sum())
    return BarChart(
        "Journey funnel by stage",
        "stage of the customer",
        STAGE_NAMES,
        "number in the episode",
        {
            "opportunities": _of_stages(last, "stage_opportunities"),
            "impressions": _of_stages(sums, "wins"),
            "clicks": _of_stages(sums, "clicks"),
            "purchases": _of_stages(last, "stage_purchases"),
        },
        digits=0,
        note="By the stage in which the customer came; purchases after a click and without one. The scale is "
        "logarithmic.",
        is_log=True,
    )


def _of_stages(rows: pl.DataFrame, column: str) -> tuple[float, ...]:
    """The column in the order of the stages, 0 where there is no row."""
    values = dict(rows.select("stage", column).iter_rows())
    return tuple(float(values.get(stage, 0)) for stage in STAGES)


def _by_agent(metrics: list[AgentMetrics], names: dict[str, str]) -> BarChart:
    return BarChart(
        "Funnel of each agent from bid to new customer",
        "step of the funnel",
        tuple(STEPS),
        "number in the episode",
        {names[one.agent]: tuple(one.values[key] or 0.0 for key, _ in STEPS.values()) for one in metrics},
        digits=0,
        note="The scale is logarithmic.",
        is_log=True,
    )


def _funnel(metrics: list[AgentMetrics], names: dict[str, str]) -> TextTable:
    rows = []
    for name, (key, before) in STEPS.items():
        cells = []
        for one in metrics:
            count, base = one.values[key] or 0.0, one.values[before] if before else None
            cells.append(f"{count:,.0f} ({100 * count / base:.1f} %)" if base else f"{count:,.0f}")
        rows.append((name, *cells))
    return TextTable(
        "Funnel from bid to new customer",
        ("step", *(names[one.agent] for one in metrics)),
        tuple(rows),
        "Counts, and the share of the step before. Purchases after a click happen at once; attributed ones include "
        "later purchases of customers who clicked within 30 days.",
    )


def _bids(episode: Recording, agent: str, name: str) -> HeatMap:
    rows = episode.bids.filter(pl.col("agent") == agent)
    cells = {(row["stage"], row["hour_of_day"]): row["mean_bid"] for row in rows.iter_rows(named=True)}
    return HeatMap(
        f"Mean bid of {name}",
        "hour of the day",
        HOURS,
        "stage of the customer",
        STAGE_NAMES,
        tuple(tuple(cells.get((stage, hour)) for hour in range(24)) for stage in STAGES),
        "mean bid ($ an impression)",
        "Blank: no customer of that stage came in that hour while the agent had budget.",
    )
