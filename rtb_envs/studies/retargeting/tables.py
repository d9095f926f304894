"""The tables of a recorded episode of Retargeting, and their files.

=======================  ==========================================================================================
``agents.parquet``       a row for each agent every so many opportunities: totals of the episode so far
``bids.parquet``         a row for each agent, stage of the customer and hour of the day: opportunities, mean bid,
                         wins, and what the customers of the impressions won did
``market.parquet``       a row every so many opportunities: totals of the market
``journey.parquet``      a row for each stage every so many opportunities: customers in it, opportunities and purchases
``attribution.parquet``  a row for each attribution rule and agent: purchases and revenue that the rule credits
``ghost_ads.parquet``    a row for each agent and one for all: what would not have come had their ads not been shown
=======================  ==========================================================================================

Money is in dollars, bids are effective ones (after the factor of the targeted stage).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl

from rtb_envs.files import write_parquet

ALL_AGENTS = "all"
"""In the place of an agent's name: everybody together."""


@dataclass(frozen=True)
class Recording:
    """The tables of an episode."""

    agents: pl.DataFrame
    bids: pl.DataFrame
    market: pl.DataFrame
    journey: pl.DataFrame
    attribution: pl.DataFrame
    ghost_ads: pl.DataFrame

    def write(self, folder: Path) -> None:
        """Write the tables into ``folder``, which is made."""
        for name in TABLES:
            write_parquet(getattr(self, name), folder / f"{name}.parquet")


TABLES = tuple(field.name for field in fields(Recording))
