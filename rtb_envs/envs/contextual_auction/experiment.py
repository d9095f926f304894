"""The metrics of an experiment, outside of compiled code."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from rtb_envs.envs.contextual_auction.learning import Memory
from rtb_envs.envs.contextual_auction.metrics import (
    COUNTS,
    MONEY,
    RATIO_UNIT,
    SHADING_UNIT,
    SQUARED_ERROR_UNIT,
    Totals,
)
from rtb_envs.envs.contextual_auction.money import MICROS

Figures = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Experiment:
    """AuctionGym's metrics, each an array [runs, iterations, bidders].

    ``sums`` holds the whole numbers behind them (int64, money in micros), under the names of ``metrics.Totals``; money
    given by the properties is in currency.
    """

    sums: dict[str, npt.NDArray[np.int64]]
    memories: tuple[Memory, ...]
    """What each kind of advertisers has learnt in the end; arrays lead with [runs, copies]."""

    @classmethod
    def of(cls, totals: Totals, memories: tuple[Memory, ...]) -> Experiment:
        """From what compiled code returned."""
        totals, memories = jax.device_get((totals, memories))
        return cls({field.name: getattr(totals, field.name).whole() for field in fields(totals)}, memories)

    def money(self, name: str) -> Figures:
        """One of ``metrics.MONEY`` in currency; ValueError for another name."""
        if name not in MONEY:
            raise ValueError(f"name must be one of {', '.join(MONEY)}; got {name!r}")
        return self.sums[name] / MICROS

    def count(self, name: str) -> npt.NDArray[np.int64]:
        """One of ``metrics.COUNTS``; ValueError for another name."""
        if name not in COUNTS:
            raise ValueError(f"name must be one of {', '.join(COUNTS)}; got {name!r}")
        return self.sums[name]

    @property
    def welfare(self) -> Figures:
        """Value of the clicks."""
        return self.money("welfare")

    @property
    def surplus(self) -> Figures:
        """Welfare less what was paid."""
        return self.money("surplus")

    @property
    def revenue(self) -> Figures:
        """What the bidder paid; the auctioneer's revenue is the sum over bidders."""
        return self.money("spend")

    @property
    def ctr_rmse(self) -> Figures:
        """Root of the mean squared error of estimated CTRs, over the rounds in which a bidder took part."""
        mean = self.sums["ctr_squared_error"] * SQUARED_ERROR_UNIT / np.maximum(self.sums["rounds"], 1)
        rmse: Figures = np.sqrt(mean)
        return rmse

    @property
    def ctr_bias(self) -> Figures:
        """Mean ratio of estimated to true CTR over impressions, 1 without bias; NaN without impressions."""
        return _mean(self.sums["ctr_ratio"] * RATIO_UNIT, self.sums["impressions"])

    @property
    def shading(self) -> Figures:
        """Mean share of the estimated value that was bid; NaN for a bidder that took part in no round."""
        return _mean(self.sums["shading"] * SHADING_UNIT, self.sums["rounds"])


def _mean(total: Figures, count: npt.NDArray[np.int64]) -> Figures:
    mean: Figures = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean
