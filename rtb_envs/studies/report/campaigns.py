"""Sections of a report on a recorded episode of Retargeting: the market, the agents' figures, money over time."""

from __future__ import annotations

import math

import polars as pl

from rtb_envs.studies.report.agent_metrics import AgentMetrics, agent_metrics, ghost_ad_lift, market_metrics
from rtb_envs.studies.report.charts import BarChart, Line, LineChart, Section, TextTable
from rtb_envs.studies.report.effects import effects
from rtb_envs.studies.report.journeys import bids, journey
from rtb_envs.studies.retargeting.tables import Recording

MEASURES = {
    "spend ($)": ("cost", 2),
    "revenue ($)": ("revenue", 2),
    "arriving within the episode ($)": ("revenue_within", 2),
    "arriving later ($)": ("revenue_later", 2),
    "profit ($)": ("profit", 2),
    "budget spent (%)": ("budget_used", 1),
    "ROAS ($/$)": ("roas", 2),
    "CTR (%)": ("ctr", 2),
    "CVR (%)": ("cvr", 2),
    "CPC ($)": ("cpc", 2),
    "CAC ($)": ("cac", 2),
    "mean LTV ($)": ("lifetime_value", 2),
    "win rate (%)": ("win_rate", 1),
    "price/bid (%)": ("price_over_bid", 1),
    "market share (%)": ("market_share", 1),
    "cooperation (% of opportunities)": ("cooperation", 1),
    "churn rate (%)": ("churn_rate", 1),
}
"""Row of the table of agents -> metric, decimals."""
_PERCENT = {"ctr", "cvr", "win_rate", "price_over_bid", "market_share", "cooperation", "budget_used", "churn_rate"}


def lead(episode: Recording) -> str:
    """One sentence on what was recorded."""
    last = episode.agents.tail(1).to_dicts()[0]
    return f"An episode of Retargeting: {last['opportunities']:,} opportunities in {last['hours'] / 24:.1f} days"


def sections(episode: Recording) -> list[Section]:
    """Every section that the episode allows."""
    metrics = agent_metrics(episode)
    names = display_names(episode.agents)
    return [
        Section(
            "The agents compared",
            (_table(episode, metrics, names), _money(metrics, names), _arrival(metrics, names), _rates(metrics, names)),
        ),
        effects(episode, names),
        Section("Money over time", (_roas(episode, names), _revenue_against_spend(episode, names))),
        journey(episode, metrics, names),
        bids(episode, names),
    ]


def display_names(agents: pl.DataFrame) -> dict[str, str]:
    """Agent -> its policy's name, and its own too where several have the same policy."""
    pairs = agents.select("agent", "policy").unique(maintain_order=True).rows()
    policies = [policy for _, policy in pairs]
    return {agent: policy if policies.count(policy) == 1 else f"{policy} ({agent})" for agent, policy in pairs}


def _table(episode: Recording, metrics: list[AgentMetrics], names: dict[str, str]) -> TextTable:
    market, lift = market_metrics(episode), ghost_ad_lift(episode)
    rows = [
        (
            label,
            *(_cell(one.values[key], digits, key in _PERCENT) for one in metrics),
            _cell(market.get(key), digits, key in _PERCENT),
        )
        for label, (key, digits) in MEASURES.items()
    ]
    blank = [""] * len(metrics)
    effect = "–" if lift is None else f"{100 * lift.lift:,.1f} ± {100 * lift.standard_error:,.1f}"
    rows.append(("impressions sold (% of opportunities)", *blank, _cell(market["fill_rate"], 1, True)))
    rows.append(("lift of purchases without a click by ads (%)", *blank, effect))
    return TextTable(
        "The episode of each agent and of all",
        ("measure", *(names[one.agent] for one in metrics), "all together"),
        tuple(rows),
        "Revenue is what attribution credits to the agent. CTR: clicks per impression; CVR: purchases per click; CAC: "
        "spend per new customer; market share: of all impressions won; cooperation: left to an ally; churn rate: "
        "customers leaving after an impression of the agent, or after any opportunity. The lift compares the same "
        "customers and draws with the exposure masked, ± its standard error.",
    )


def _cell(value: float | None, digits: int, is_percent: bool) -> str:
    return "–" if value is None or math.isnan(value) else f"{value * (100 if is_percent else 1):,.{digits}f}"


def _money(metrics: list[AgentMetrics], names: dict[str, str]) -> BarChart:
    series = {"spend": "cost", "revenue": "revenue", "profit": "profit"}
    return BarChart(
        "Spend, revenue and profit",
        "agent",
        tuple(names[one.agent] for one in metrics),
        "dollars in the episode",
        {name: tuple(one.values[key] or 0.0 for one in metrics) for name, key in series.items()},
        digits=0,
    )


def _arrival(metrics: list[AgentMetrics], names: dict[str, str]) -> BarChart:
    series = {"within the episode": "revenue_within", "later": "revenue_later"}
    return BarChart(
        "Revenue by when it arrives",
        "agent",
        tuple(names[one.agent] for one in metrics),
        "attributed dollars of the episode",
        {name: tuple(one.values[key] or 0.0 for one in metrics) for name, key in series.items()},
        digits=0,
        note="Conversions arrive up to 30 days after their click; the reward counts them at the click.",
    )


def _rates(metrics: list[AgentMetrics], names: dict[str, str]) -> BarChart:
    series = {"CTR": "ctr", "CVR": "cvr", "win rate": "win_rate", "market share": "market_share"}
    return BarChart(
        "Rates of the agents",
        "agent",
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
