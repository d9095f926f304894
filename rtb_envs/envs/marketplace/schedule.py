"""When packages are offered: how many on a day, and in which hour each."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtb_envs.users.traffic import HOUR_WEIGHTS

HOURS = 24
WEEKEND_SHARE = 0.7
"""Packages of a Saturday or Sunday relative to a weekday."""


class Schedule(NamedTuple):
    """The calendar of a market; the same for every seed, so that its shapes are static."""

    packages: npt.NDArray[np.int32]
    """Packages offered on each day [days]."""
    first: npt.NDArray[np.int32]
    """The first package of each hour, and the number of packages at the end of the day [days, 25]."""

    @property
    def per_day(self) -> int:
        """The most packages of a day."""
        return int(self.packages.max())

    @property
    def per_hour(self) -> int:
        """The most packages of an hour."""
        return max(1, int(np.diff(self.first, axis=1).max()))

    def hours(self) -> npt.NDArray[np.int32]:
        """The hour of each package [days, per_day]; 24 for those that are not offered on that day."""
        index = np.arange(self.per_day)
        hours: npt.NDArray[np.int32] = (self.first[:, None, 1:] <= index[None, :, None]).sum(axis=2, dtype=np.int32)
        return hours


@functools.cache
def schedule(days: int, campaigns: int, packages_per_campaign: float) -> Schedule:
    """The calendar of ``days`` days from a Monday.

    A weekday offers campaigns · packages_per_campaign packages, a weekend day 0.7 of that, rounded. They are spread
    over the hours by ``HOUR_WEIGHTS``: by hour h as many have come as the weights up to h say, rounded.
    """
    weekend = np.arange(days) % 7 >= 5
    exact = campaigns * packages_per_campaign * np.where(weekend, WEEKEND_SHARE, 1.0)
    packages = np.maximum(1, np.rint(exact)).astype(np.int32)
    until_hour = np.concatenate([[0.0], np.cumsum(HOUR_WEIGHTS)]) / HOURS
    first = np.rint(packages[:, None] * until_hour).astype(np.int32)
    return Schedule(packages, first)
