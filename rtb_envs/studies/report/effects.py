"""Section of a report on what the ads truly brought, beside what attribution rules claim for them."""

from __future__ import annotations

import polars as pl

from rtb_envs.studies.report.charts import BarChart, Section, TextTable
from rtb_envs.studies.retargeting.tables import ALL_AGENTS, Recording

RULES = {
    "last": "last click",
    "first": "first click",
    "last_non_direct": "last non-direct click",
    "linear": "linear",
    "position": "position based",
    "time_decay": "time decay",
}
TRUE = "true incremental (ghost ads)"


def effects(episode: Recording, names: dict[str, str]) -> Section:
    """Ghost ads, and the six attribution rules on the same episode; ``names`` of the agents."""
    return Section(
        "What the ads truly brought",
        (_ghost_ads(episode, names), _claims(episode, names), _attribution(episode, names)),
    )


def _ghost_ads(episode: Recording, names: dict[str, str]) -> TextTable:
    rows = []
    for row in episode.ghost_ads.iter_rows(named=True):
        claimed, added, cost = row["attributed_revenue"], row["incremental_revenue"], row["cost"]
        rows.append(
            (
                "all together" if row["agent"] == ALL_AGENTS else names[row["agent"]],
                f"{cost:,.0f}",
                f"{claimed:,.0f}",
                f"{added:,.0f}",
                f"{claimed / added:.2f}" if added > 0 else "–",
                f"{claimed / cost:.2f}" if cost else "–",
                f"{added / cost:.2f}" if cost else "–",
                f"{row['attributed_purchases']:,.0f}",
                f"{row['incremental_purchases']:,}",
            )
        )
    return TextTable(
        "Claimed and true effects",
        (
            *("agent", "spend ($)", "attributed ($)", "incremental ($)", "ratio"),
            *("ROAS ($/$)", "iROAS ($/$)", "credited (count)", "added (count)"),
        ),
        tuple(rows),
        "Attributed revenue beside incremental revenue, their ratio, both over spend (ROAS, iROAS), and purchases. "
        "Incremental is what would not have come, by the same bids and draws, had nobody seen the ads: the agent's, or "
        "in the last row everybody's. It is exact for this episode. Agents need not sum to the last row, because what "
        "an ad brings depends on what the customer has seen besides.",
    )


def _claims(episode: Recording, names: dict[str, str]) -> BarChart:
    # Ad clicks are the only touches of a path, so that last non-direct is last click.
    series = {label: _revenue(episode, rule, names) for rule, label in RULES.items() if rule != "last_non_direct"}
    added = {row["agent"]: row["incremental_revenue"] for row in episode.ghost_ads.iter_rows(named=True)}
    series[TRUE] = tuple(added[agent] for agent in names)
    return BarChart(
        "Revenue by attribution rule and true incremental revenue",
        "agent",
        tuple(names.values()),
        "dollars in the episode",
        series,
        digits=None,
        note="The rules credit the same purchases differently; the last bar of each group is what the ads added.",
    )


def _attribution(episode: Recording, names: dict[str, str]) -> TextTable:
    rows = []
    for rule, label in RULES.items():
        revenue = _revenue(episode, rule, names)
        purchases = episode.attribution.filter(pl.col("rule") == rule)["purchases"].sum()
        rows.append((label, *(f"{value:,.0f}" for value in revenue), f"{sum(revenue):,.0f}", f"{purchases:,.0f}"))
    return TextTable(
        "Revenue credited by each attribution rule ($)",
        ("rule", *names.values(), "total", "purchases (number)"),
        tuple(rows),
        "On the same episode and click paths; every purchase within 30 days of a click is credited once by every rule. "
        "Paths hold ad clicks only, so that last non-direct is last click.",
    )


def _revenue(episode: Recording, rule: str, names: dict[str, str]) -> tuple[float, ...]:
    rows = episode.attribution.filter(pl.col("rule") == rule)
    by_agent = dict(rows.select("agent", "revenue").iter_rows())
    return tuple(by_agent[agent] for agent in names)
