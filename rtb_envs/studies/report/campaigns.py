"""Sections of a report on a recorded episode of Retargeting: the agents' figures, money over time, journey, bids."""

from __future__ import annotations

import math

import polars as pl

from rtb_envs.studies.report.agent_metrics import AgentMetrics, agent_metrics, ghost_ad_lift, market_metrics
from rtb_envs.studies.report.charts import BarChart, HeatMap, Line, LineChart, Section, TextTable
from rtb_envs.studies.retargeting.tables import Recording
from rtb_envs.users.lifecycle import STAGES

HOURS = tuple(f"{hour:02}" for hour in range(24))
MEASURES = {
    "spend ($)": ("cost", 2),
    "revenue ($)": ("revenue", 2),
    "of that, arriving after the episode ($)": ("revenue_later", 2),
    "profit ($)": ("profit", 2),
    "budget spent (%)": ("budget_used", 1),
    "ROAS ($/$)": ("roas", 2),
    "CTR (%)": ("ctr", 2),
    "CVR (%)": ("cvr", 2),
    "CPC ($)": ("cpc", 2),
    "CAC ($)": ("cac", 2),
    "win rate (%)": ("win_rate", 1),
    "price/bid (%)": ("price_over_bid", 1),
    "market share (%)": ("market_share", 1),
    "cooperation (% of opportunities)": ("cooperation", 1),
    "mean LTV ($)": ("lifetime_value", 2),
}
"""Row of the table of agents -> metric, decimals."""
MARKET_MEASURES = {
    "profit ($)": ("profit", 2),
    "ROAS ($/$)": ("roas", 2),
    "CTR (%)": ("ctr", 2),
    "CVR (%)": ("cvr", 2),
    "CPC ($)": ("cpc", 2),
    "CAC ($)": ("cac", 2),
    "impressions sold (% of opportunities)": ("fill_rate", 1),
    "churn (customers leaving, % of opportunities)": ("churn_rate", 1),
    "revenue that arrives after the episode (%)": ("later_share", 1),
}
"""Row of the table of the market -> metric, decimals."""
_MARKET_PERCENT = {"fill_rate", "churn_rate", "later_share"}
_PERCENT = {"ctr", "cvr", "win_rate", "price_over_bid", "market_share", "cooperation", "budget_used"}


def lead(episode: Recording) -> str:
    """One sentence on what was recorded."""
    last = episode.agents.tail(1).to_dicts()[0]
    return f"An episode of Retargeting: {last['opportunities']:,} opportunities in {last['hours'] / 24:.1f} days"


def sections(episode: Recording) -> list[Section]:
    """Every section that the episode allows."""
    metrics = agent_metrics(episode)
    names = display_names(episode.agents)
    return [
        Section("The market", (_market(episode),)),
        Section("The agents compared", (_table(metrics, names), _money(metrics, names), _rates(metrics, names))),
        Section("Money over time", (_roas(episode, names), _revenue_against_spend(episode, names))),
        Section("The customer journey", (_stages(episode), _funnel(metrics, names))),
        Section("Bids by stage and hour", tuple(_bids(episode, agent, name) for agent, name in names.items())),
    ]


def display_names(agents: pl.DataFrame) -> dict[str, str]:
    """Agent -> its policy's name, and its own too where several have the same policy."""
    pairs = agents.select("agent", "policy").unique(maintain_order=True).rows()
    policies = [policy for _, policy in pairs]
    return {agent: policy if policies.count(policy) == 1 else f"{policy} ({agent})" for agent, policy in pairs}


def _market(episode: Recording) -> TextTable:
    figures, lift = market_metrics(episode), ghost_ad_lift(episode)
    rows = [
        (label, _cell(figures[key], digits, key in _PERCENT | _MARKET_PERCENT))
        for label, (key, digits) in MARKET_MEASURES.items()
    ]
    effect = "–" if lift is None else f"{100 * lift.lift:,.1f} ± {100 * lift.standard_error:,.1f}"
    return TextTable(
        "All agents together",
        ("measure", "value"),
        (*rows, ("lift of purchases without a click by ads (%)", effect)),
        "The lift compares the same customers and draws with the exposure masked (ghost ads), ± its standard error.",
    )


def _table(metrics: list[AgentMetrics], names: dict[str, str]) -> TextTable:
    rows = [
        (label, *(_cell(one.values[key], digits, key in _PERCENT) for one in metrics))
        for label, (key, digits) in MEASURES.items()
    ]
    return TextTable(
        "Each agent's episode",
        ("measure", *(names[one.agent] for one in metrics)),
        tuple(rows),
        "Revenue is what attribution credits to the agent. CTR: clicks per impression; CVR: purchases per click; CAC: "
        "spend per new customer; market share: of all impressions won; cooperation: left to an ally.",
    )


def _cell(value: float | None, digits: int, is_percent: bool) -> str:
    return "–" if value is None or math.isnan(value) else f"{value * (100 if is_percent else 1):,.{digits}f}"


def _money(metrics: list[AgentMetrics], names: dict[str, str]) -> BarChart:
    series = {"spend": "cost", "revenue": "revenue", "profit": "profit"}
    return BarChart(
        "Spend, revenue and profit",
        tuple(names[one.agent] for one in metrics),
        "dollars in the episode",
        {name: tuple(one.values[key] or 0.0 for one in metrics) for name, key in series.items()},
        digits=0,
    )


def _rates(metrics: list[AgentMetrics], names: dict[str, str]) -> BarChart:
    series = {"CTR": "ctr", "CVR": "cvr", "win rate": "win_rate", "market share": "market_share"}
    return BarChart(
        "Rates of the agents",
        tuple(names[one.agent] for one in metrics),
        "percent",
        {name: tuple(100 * (one.values[key] or 0.0) for one in metrics) for name, key in series.items()},
    )


def _roas(episode: Recording, names: dict[str, str]) -> LineChart:
    lines = []
    for agent, name in names.items():
        rows = episode.agents.filter((pl.col("agent") == agent) & (pl.col("cost") > 0) & (pl.col("revenue") > 0))
        roas = (rows["revenue"] / rows["cost"]).to_list()
        lines.append(Line(name, (rows["hours"] / 24).to_list(), roas))
    days = [0.0, float(episode.agents["hours"].to_numpy().max()) / 24]
    lines.append(Line("break-even", days, [1.0, 1.0], is_reference=True))
    return LineChart(
        "ROAS over time",
        "time (days)",
        "revenue over spend so far ($/$)",
        tuple(lines),
        "A line begins with the agent's first attributed purchase and is flat once its budget is spent. The scale is "
        "logarithmic: equal distances are equal ratios.",
        is_log=True,
    )


def _revenue_against_spend(episode: Recording, names: dict[str, str]) -> LineChart:
    lines = []
    for agent, name in names.items():
        rows = episode.agents.filter(pl.col("agent") == agent)
        lines.append(Line(name, rows["cost"].to_list(), rows["revenue"].to_list()))
    most = float(episode.agents["cost"].to_numpy().max())
    lines.append(Line("break-even", [0.0, most], [0.0, most], is_reference=True))
    return LineChart(
        "Revenue against spend",
        "spend so far ($)",
        "attributed revenue so far ($)",
        tuple(lines),
        "Above the dashed line an agent earns money; the slope is what the next dollar brings.",
    )


def _stages(episode: Recording) -> BarChart:
    order = pl.DataFrame({"stage": list(STAGES)})

    def share(when: pl.Expr) -> tuple[float, ...]:
        rows = order.join(episode.journey.filter(pl.col("opportunities") == when), on="stage", how="left")
        customers = rows["customers"].to_numpy()
        return tuple((100 * customers / customers.sum()).tolist())

    opportunities = pl.col("opportunities")
    return BarChart(
        "Customers by stage of the journey",
        tuple(stage.replace("_", " ") for stage in STAGES),
        "share of the customers (%)",
        {"at the beginning": share(opportunities.min()), "at the end": share(opportunities.max())},
    )


def _funnel(metrics: list[AgentMetrics], names: dict[str, str]) -> TextTable:
    steps = {
        "bids": ("bids", None),
        "impressions": ("wins", "bids"),
        "clicks": ("clicks", "wins"),
        "purchases after a click": ("conversions", "clicks"),
        "purchases attributed": ("attributed_purchases", None),
        "new customers": ("new_customers", "attributed_purchases"),
    }
    rows = []
    for name, (key, before) in steps.items():
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
        tuple(stage.replace("_", " ") for stage in STAGES),
        tuple(tuple(cells.get((stage, hour)) for hour in range(24)) for stage in STAGES),
        "mean bid ($ an impression)",
        "Blank: no customer of that stage came in that hour while the agent had budget.",
    )
