"""What the episodes of a rollout brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rtb_envs import validation

if TYPE_CHECKING:
    import polars

FloatArray = npt.NDArray[np.float64]
_NORMAL_QUANTILE_975 = 1.959964


@dataclass(frozen=True)
class Rollout:
    """What the finished episodes of a rollout brought; an episode that the last step leaves unfinished does not count.

    ``totals`` maps a quantity's name to its float64 sum over the finished episodes of each lane [lanes]:
    ``episode_return``, ``episode_length`` (steps), and every running total ``episode_*`` that the environment's info
    gives, in the environment's own units. Sums are exact to 2**-24 of each episode's value.
    """

    env_id: str
    num_steps: int
    episodes: npt.NDArray[np.int64]
    """Finished episodes of each lane [lanes]."""
    totals: dict[str, FloatArray]
    compile_seconds: float
    """Time spent compiling: 0 where the program was ready from an earlier call."""
    run_seconds: float
    """Time spent running the compiled program."""

    @property
    def num_envs(self) -> int:
        """Number of lanes."""
        return len(self.episodes)

    @property
    def steps_per_second(self) -> float:
        """Environment steps of all lanes together per second of running, compilation apart."""
        return self.num_envs * self.num_steps / self.run_seconds

    def mean(self, name: str) -> float:
        """The mean of one of ``totals`` over all finished episodes; NaN if there are none.

        Raises ValueError for a name that is not in ``totals``.
        """
        total = self.totals[validation.choice("name", name, list(self.totals))]
        count = self.episodes.sum()
        return float(total.sum() / count) if count else float("nan")

    def interval(self, name: str) -> tuple[float, float]:
        """The 95 % interval of ``mean(name)``, lanes taken as independent; NaNs for less than two lanes.

        Normal approximation for a ratio of sums over lanes (Cochran, Sampling Techniques, 1977, section 6.4), which is
        that of a plain mean where all lanes finished equally many episodes.
        """
        mean = self.mean(name)
        if self.num_envs < 2 or not np.isfinite(mean):
            return float("nan"), float("nan")
        residual = self.totals[name] - mean * self.episodes
        error = float(np.sqrt((residual**2).sum() / (self.num_envs - 1) / self.num_envs) / self.episodes.mean())
        return mean - _NORMAL_QUANTILE_975 * error, mean + _NORMAL_QUANTILE_975 * error

    @property
    def mean_return(self) -> float:
        """Mean return (sum of rewards) of a finished episode."""
        return self.mean("episode_return")

    @property
    def mean_return_interval(self) -> tuple[float, float]:
        """The 95 % interval of ``mean_return``; see ``interval``."""
        return self.interval("episode_return")

    def frame(self) -> polars.DataFrame:
        """One row a lane: ``lane``, ``episodes``, and the mean of each of ``totals`` over the lane's finished episodes.

        A lane without finished episodes has nulls. With ``num_steps`` the length of an episode, a row is an episode.
        """
        import polars

        finished = self.episodes > 0
        means = {
            name: polars.Series(np.divide(total, self.episodes, out=np.full(len(total), np.nan), where=finished))
            for name, total in self.totals.items()
        }
        lanes = {"lane": np.arange(self.num_envs), "episodes": self.episodes}
        return polars.DataFrame({**lanes, **means}).with_columns(polars.col(*means).fill_nan(None))

    def __repr__(self) -> str:
        lines = [
            f"Rollout of {self.env_id}: {self.num_envs:,} lanes x {self.num_steps:,} steps, "
            f"{self.episodes.sum():,} finished episodes",
            "  mean per episode                       95 % interval",
        ]
        for name in self.totals:
            mean, (low, high) = self.mean(name), self.interval(name)
            shown = f"{mean:,.4g}" if np.isfinite(mean) else "none"
            interval = f"   [{low:,.4g}, {high:,.4g}]" if np.isfinite(low) else ""
            lines.append(f"  {name.removeprefix('episode_'):<20}{shown:>12}{interval}")
        compiled = f"compiled in {self.compile_seconds:.1f} s, " if self.compile_seconds else ""
        lines.append(f"  {compiled}ran in {self.run_seconds:.3g} s: {self.steps_per_second:,.0f} steps/s")
        return "\n".join(lines)
