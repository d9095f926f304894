"""What a recorded episode came to: figures of ``rtb_envs.envs.retargeting.metrics`` from its tables, and as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rtb_envs.envs.retargeting import metrics
from rtb_envs.files import write_atomically, write_parquet
from rtb_envs.studies.retargeting.tables import Recording
from rtb_envs.users.incrementality import Lift, paired_lift

TIME = ("opportunities", "hours")
IDENTITY = ("agent", "policy")


@dataclass(frozen=True)
class AgentMetrics:
    """Totals and figures of one agent; a ratio without its denominator is None."""

    agent: str
    policy: str
    values: dict[str, float | None]


def agent_metrics(episode: Recording) -> list[AgentMetrics]:
    """The figures of every agent at the end of a recording."""
    table = metrics_table(episode)
    values = table.drop(IDENTITY).to_dicts()
    who = table.select(IDENTITY).rows()
    return [AgentMetrics(agent, policy, row) for (agent, policy), row in zip(who, values, strict=True)]


def metrics_table(episode: Recording) -> pl.DataFrame:
    """A row for each agent: counts, and the figures of ``metrics.agent_metrics`` (null where there is none).

    ``churn_rate`` are the customers that left after an impression of the agent, over its impressions.
    """
    last = _last(episode.agents)
    figures = pl.DataFrame({**metrics.agent_metrics(_info(episode)), "churn_rate": _churn(episode)}).fill_nan(None)
    counts = ("surcharge", "bids", "wins", "clicks", "conversions", "attributed_purchases", "new_customers")
    return pl.concat([last.select(*IDENTITY, *counts, "remaining_budget"), figures], how="horizontal")


def market_metrics(episode: Recording) -> dict[str, float]:
    """The figures of the market as a whole."""
    return metrics.market_metrics(_info(episode))


def ghost_ad_lift(episode: Recording) -> Lift | None:
    """The same-state lift of purchases without a click; None when there is nothing to compare with."""
    last = _last(episode.market)
    exposed, masked = int(last["exposed_purchases"][0]), int(last["masked_purchases"][0])
    return paired_lift(exposed, masked) if masked > 0 else None


def write_metrics(episode: Recording, folder: Path) -> list[Path]:
    """Write ``agent_metrics.parquet`` and ``.csv`` into ``folder``."""
    table = metrics_table(episode)
    csv = folder / "agent_metrics.csv"
    write_atomically(csv, table.write_csv)
    return [write_parquet(table, folder / "agent_metrics.parquet"), csv]


def _churn(episode: Recording) -> pl.Series:
    order = _last(episode.agents).select("agent")
    sums = episode.bids.group_by("agent").agg(pl.col("departures", "wins").sum())
    rows = order.join(sums, on="agent", how="left", maintain_order="left")
    return rows["departures"] / rows["wins"]


def _last(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("opportunities") == pl.col("opportunities").max())


def _info(episode: Recording) -> Mapping[str, Any]:
    """The end of a recording as the info of one episode."""
    agents, market = _last(episode.agents), _last(episode.market)
    totals = [name for name in agents.columns if name not in (*TIME, *IDENTITY, "remaining_budget", "playing")]
    customers = _last(episode.journey)["customers"].to_numpy()
    return {
        **{f"episode_{name}": agents[name].to_numpy()[None] for name in totals},
        **{f"market_{name}": market[name].to_numpy() for name in market.columns if name not in TIME},
        "market_opportunities": market["opportunities"].to_numpy(),
        "remaining_budget": agents["remaining_budget"].to_numpy()[None],
        "stage_mix": (customers / np.sum(customers))[None],
    }
