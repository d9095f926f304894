"""Episodes as they happened: what off-policy evaluation and offline learners read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rtb_envs import validation
from rtb_envs.files import write_parquet

if TYPE_CHECKING:
    import gymnasium
    import polars

AnyArray = npt.NDArray[Any]
_BY_STEP = ("observation", "action", "log_propensity", "reward", "terminated", "truncated")


@dataclass(frozen=True)
class EpisodeLog:
    """Whole episodes, one after another; every array "[steps]" leads with all steps of all episodes.

    Propensities are those of the policy that acted: the probability of the action given what it had seen, or the
    action's density in a Box.
    """

    env_id: str
    options: dict[str, Any] | None
    """What ``rtb_envs.make(env_id, **options)`` builds the environment from; None where it has other parameters."""
    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    seed: int | None
    lengths: npt.NDArray[np.int64]
    """Steps of each episode [episodes]."""
    observation: AnyArray
    """What was seen before each step [steps, ...]."""
    final_observation: AnyArray
    """What was seen after the last step of each episode [episodes, ...]."""
    action: AnyArray
    """[steps, ...]"""
    log_propensity: npt.NDArray[np.float32] | None
    """Natural logarithm of the propensity of each action [steps]; None of a policy that knows none."""
    reward: npt.NDArray[np.float32]
    """[steps]"""
    terminated: npt.NDArray[np.bool_]
    """[steps]"""
    truncated: npt.NDArray[np.bool_]
    """[steps]"""
    info: dict[str, AnyArray]
    """What the environment told after each step, by name [steps, ...]."""

    @classmethod
    def concatenate(cls, logs: Sequence[EpisodeLog]) -> EpisodeLog:
        """The episodes of several logs of one environment and one policy, in their order; ValueError for none."""
        if not logs:
            raise validation.wrong_value("logs", "at least one log", logs)
        first = logs[0]
        if len(logs) == 1:
            return first

        def joined(arrays: Iterator[AnyArray]) -> AnyArray:
            return np.concatenate(list(arrays))

        names = (*_BY_STEP, "lengths", "final_observation")
        known = [name for name in names if getattr(first, name) is not None]
        arrays: dict[str, Any] = {name: joined(getattr(log, name) for log in logs) for name in known}
        info = {name: joined(log.info[name] for log in logs) for name in first.info}
        return replace(first, **arrays, info=info)

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    @property
    def num_steps(self) -> int:
        """Number of steps of all episodes together."""
        return len(self.reward)

    @property
    def first_step(self) -> npt.NDArray[np.int64]:
        """Where each episode begins among all steps [episodes]."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def episode(self) -> npt.NDArray[np.int64]:
        """The number of the episode that each step belongs to [steps]."""
        return np.repeat(np.arange(self.num_episodes), self.lengths)

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """The number of each step in its episode [steps]."""
        return np.arange(self.num_steps) - np.repeat(self.first_step, self.lengths)

    @property
    def next_observation(self) -> AnyArray:
        """What was seen after each step [steps, ...]."""
        following = np.roll(self.observation, -1, axis=0)
        following[self.first_step + self.lengths - 1] = self.final_observation
        return following

    @property
    def returns(self) -> npt.NDArray[np.float64]:
        """Sum of rewards of each episode [episodes]."""
        return np.bincount(self.episode, weights=self.reward, minlength=self.num_episodes).astype(np.float64)

    def by_episode(self, values: AnyArray) -> AnyArray:
        """``values`` [steps, ...] as [episodes, longest, ...], zeros after an episode's end."""
        padded = np.zeros((self.num_episodes, int(self.lengths.max()), *values.shape[1:]), values.dtype)
        padded[self.episode, self.step] = values
        return padded

    def frame(self) -> polars.DataFrame:
        """One row a step: ``episode``, ``step``, ``observation``, ``action``, ``log_propensity`` (null where unknown),
        ``reward``, ``terminated``, ``truncated``, ``next_observation``, and every entry of info as ``info_<name>``.

        Observations and other vectors are polars arrays of fixed width.
        """
        import polars

        columns = {"episode": self.episode, "step": self.step}
        columns |= {name: getattr(self, name) for name in _BY_STEP}
        columns["next_observation"] = self.next_observation
        columns |= {f"info_{name}": value for name, value in self.info.items()}
        unknown = polars.repeat(None, self.num_steps, dtype=polars.Float32, eager=True)
        return polars.DataFrame({name: unknown if value is None else value for name, value in columns.items()})

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write ``frame()`` to the file ``path``, whole or not at all; returns the path."""
        return write_parquet(self.frame(), path)

    def to_minari(self, dataset_id: str, *, description: str | None = None) -> Path:
        """Write a Minari dataset, whole or not at all; returns its folder. See ``minari_datasets``."""
        from rtb_envs.logs.minari_datasets import write_minari

        return write_minari(self, dataset_id, description)

    def __repr__(self) -> str:
        known = "without" if self.log_propensity is None else "with"
        returns = self.returns
        spread = f" (standard deviation {returns.std(ddof=1):,.4g})" if self.num_episodes > 1 else ""
        return (
            f"EpisodeLog of {self.env_id}: {self.num_episodes:,} episodes, {self.num_steps:,} steps, {known} "
            f"propensities, mean return {returns.mean():,.4g}{spread}"
        )
