"""Single auctions under the names of OpenRTB 2.6: what a bidder's logs hold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtb_envs import validation
from rtb_envs.files import write_parquet
from rtb_envs.logs.episode_log import AnyArray

if TYPE_CHECKING:
    import polars

ORDER = (
    *("at", "bidfloor", "user_id", "crid", "metric_ctr", "metric_cvr", "metric_predicted_ctr", "metric_predicted_cvr"),
    *("price", "nbr", "loss", "position", "auction_price", "auction_min_to_win", "auction_mbr"),
    *("impression", "click", "conversion", "cost", "log_propensity"),
)
"""Columns in the order of an auction's course: request, bid, outcome, response; those of other names come last."""
CODES = ("nbr", "loss", "position")
"""Columns of codes, in which -1 is none."""


@dataclass(frozen=True)
class AuctionLog:
    """Auctions in order of arrival; every array has one entry for each auction.

    ``columns`` maps the environment's OpenRTB names to arrays; see the environment for what they mean.
    """

    env_id: str
    episode: AnyArray
    step: AnyArray
    index: AnyArray
    """The auction's number in its step."""
    columns: Mapping[str, AnyArray]

    @classmethod
    def concatenate(cls, logs: Sequence[AuctionLog]) -> AuctionLog:
        """The auctions of several logs of one environment, in their order; ValueError for none."""
        if not logs:
            raise validation.wrong_value("logs", "at least one log", logs)
        episode, step, index = (
            np.concatenate([getattr(log, name) for log in logs]) for name in ("episode", "step", "index")
        )
        columns = {name: np.concatenate([log.columns[name] for log in logs]) for name in logs[0].columns}
        return cls(logs[0].env_id, episode, step, index, columns)

    def frame(self) -> polars.DataFrame:
        """One row an auction: ``auction_id`` ("episode-step-number"), ``episode``, ``step``, and ``columns``.

        What does not exist, such as the price of a lost auction, is null: NaN in the columns, -1 in codes.
        """
        import polars

        place: dict[str, Any] = {"episode": self.episode, "step": self.step, "index": self.index}
        names = sorted(self.columns, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
        frame = polars.DataFrame({**place, **{name: self.columns[name] for name in names}})
        auction_id = polars.concat_str("episode", "step", "index", separator="-").alias("auction_id")
        codes = polars.col(name for name in names if name in CODES)
        exists = polars.selectors.float().fill_nan(None), codes.replace(-1, None)
        return frame.select(auction_id, polars.exclude("index")).with_columns(*exists)

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write ``frame()`` to the file ``path``, whole or not at all; returns the path."""
        return write_parquet(self.frame(), path)

    def __repr__(self) -> str:
        episodes = len(np.unique(self.episode))
        return f"AuctionLog of {self.env_id}: {len(self.episode):,} auctions of {episodes:,} episodes"
