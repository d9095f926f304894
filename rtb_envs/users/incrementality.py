"""True incremental effects of advertising by ghost ads: the same draws with and without the exposure.

In a simulator the experiment of Johnson, Lewis and Nubbemeyer ("Ghost Ads", Journal of Marketing Research 54(6), 2017)
is exact: both potential outcomes of the same opportunity, or of the same episode, are computed from the same draws.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rtb_envs import validation


class Lift(NamedTuple):
    """The relative effect (Y1 - Y0) / Y0 and its standard error."""

    lift: float
    standard_error: float


def paired_lift(exposed: int, masked: int) -> Lift:
    """The lift of counts whose masked outcomes are a subset of the exposed ones, as with one uniform for both.

    ``exposed`` and ``masked`` (1 or more) count the events with the exposure and without it. The ones in both carry no
    noise, so the standard error is that of the ratio of the additional events to the masked ones, both Poisson:
    sqrt(d / m**2 + d**2 / m**3), d = exposed - masked. Raises ValueError for counts of another order.
    """
    masked = validation.integer("masked", masked, 1, 2**62)
    exposed = validation.integer("exposed", exposed, masked, 2**62)
    added = exposed - masked
    return Lift(added / masked, math.sqrt(added / masked**2 + added**2 / masked**3))


def ratio_lift(treated: list[float], control: list[float]) -> Lift:
    """The lift of totals over paired runs of the same draws, its standard error by the delta method.

    ``treated`` and ``control`` hold one total for each run, at least two. Raises ValueError for other lengths or a
    control that sums to 0 or less.
    """
    runs = len(treated)
    if runs < 2 or len(control) != runs:
        raise ValueError(f"treated and control must hold one total for each of 2 or more runs, got {runs}")
    if (base := sum(control)) <= 0:
        raise validation.wrong_value("control", "positive in sum", base)
    ratio = sum(treated) / base
    residual = [one - ratio * other for one, other in zip(treated, control, strict=True)]
    variance = sum(value * value for value in residual) / (runs - 1) * runs
    return Lift(ratio - 1, math.sqrt(variance) / base)
