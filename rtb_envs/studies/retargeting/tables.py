"""The tables of a recorded episode of Retargeting, and their files.

=====================  ============================================================================================
``agents.parquet``     a row for each agent every so many opportunities: totals of the episode so far
``bids.parquet``       a row for each agent, stage of the customer and hour of the day: opportunities, mean bid, wins
``market.parquet``     a row every so many opportunities: totals of the market
``journey.parquet``    a row for each stage every so many opportunities: customers in it, opportunities of it so far
=====================  ============================================================================================

Money is in dollars, bids are effective ones (after the factor of the targeted stage).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rtb_envs.files import write_parquet

TABLES = ("agents", "bids", "market", "journey")


@dataclass(frozen=True)
class Recording:
    """The tables of an episode."""

    agents: pl.DataFrame
    bids: pl.DataFrame
    market: pl.DataFrame
    journey: pl.DataFrame

    def write(self, folder: Path) -> None:
        """Write the tables into ``folder``, which is made."""
        for name in TABLES:
            write_parquet(getattr(self, name), folder / f"{name}.parquet")
