"""The distribution that RTBGym's arguments are given by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rtb_envs import validation

_LARGE = 1e9
MAX_SEED = 2**32 - 2
"""RTBGym seeds its conversion rates with the next number, which must be a seed too."""


@dataclass(frozen=True)
class NormalDistribution:
    """Normal(mean, std): two numbers, or one of each for every step.

    ``random_state`` seeds what is drawn from it once, the level of the market prices; None means the environment's.
    Raises TypeError or ValueError for other values, and for ``mean`` and ``std`` of different shapes.
    """

    mean: Any
    std: Any
    random_state: int | None = None

    def __post_init__(self) -> None:
        shape = (np.size(self.mean),) if np.ndim(self.mean) else ()
        validation.array("mean", self.mean, [shape], -_LARGE, _LARGE)
        validation.array("std", self.std, [shape], 0, _LARGE)
        if self.random_state is not None:
            validation.integer("random_state", self.random_state, 0, MAX_SEED)
