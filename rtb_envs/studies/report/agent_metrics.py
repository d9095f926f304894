"""What each agent's episode came to, from the last rows of its recording, and as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rtb_envs.files import write_atomically, write_parquet


@dataclass(frozen=True)
class AgentMetrics:
    """Totals and ratios of one agent; a ratio without its denominator is None."""

    agent: str
    policy: str
    values: dict[str, float | None]


def agent_metrics(agents: pl.DataFrame) -> list[AgentMetrics]:
    """Metrics of every agent at the end of the table ``agents`` of a recording."""
    last = metrics_table(agents)
    return [
        AgentMetrics(row["agent"], row["policy"], {name: row[name] for name in last.columns[2:]})
        for row in last.iter_rows(named=True)
    ]


def metrics_table(agents: pl.DataFrame) -> pl.DataFrame:
    """A row for each agent: its totals, and ROAS, CTR, CVR, CPC, CAC, win rate, price over bid, share of the market."""
    last = agents.filter(pl.col("opportunities") == pl.col("opportunities").max())
    cost, wins = pl.col("cost"), pl.col("wins")
    return last.select(
        "agent",
        "policy",
        *("cost", "surcharge", "revenue", "revenue_later", "bids", "wins", "clicks", "conversions"),
        *("attributed_purchases", "new_customers", "remaining_budget"),
        profit=pl.col("revenue") - cost,
        roas=_ratio(pl.col("revenue"), cost),
        ctr=_ratio(pl.col("clicks"), wins),
        cvr=_ratio(pl.col("conversions"), pl.col("clicks")),
        cpc=_ratio(cost, pl.col("clicks")),
        cac=_ratio(cost, pl.col("new_customers")),
        win_rate=_ratio(wins, pl.col("bids")),
        price_to_bid=_ratio(cost - pl.col("surcharge"), pl.col("won_bids")),
        market_share=_ratio(pl.col("revenue"), pl.col("revenue").sum()),
        lifetime_value=_ratio(pl.col("lifetime_value"), pl.col("attributed_purchases")),
    )


def write_metrics(agents: pl.DataFrame, folder: Path) -> list[Path]:
    """Write ``agent_metrics.parquet`` and ``.csv`` into ``folder``."""
    table = metrics_table(agents)
    csv = folder / "agent_metrics.csv"
    write_atomically(csv, table.write_csv)
    return [write_parquet(table, folder / "agent_metrics.parquet"), csv]


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
