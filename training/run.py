"""The folder of a run.

================================  =================================================================================
``settings.json``                 the settings that decide what the run computes, written first
``metrics.parquet``, ``.csv``     one row an iteration: stage, environment steps, seconds, what the learner reports
``validation.parquet``, ``.csv``  one row a validation and seed: value, and its share of the ceiling
``tensorboard/``                  the same figures as TensorBoard events
``checkpoints/last/<n>``          everything that the training needs to go on after iteration n (orbax)
``checkpoints/best/<n>``          the same at the iteration with the best validation score in the last stage
``policy.npz``                    the best policy, for ``agents.load``; written before the held-out evaluation
``agents/<agent>/policy.npz``     the same of each learner of a team
``episode/*.parquet``             the first held-out episode in Retargeting, for ``rtb report``
``*.png``                         the pictures of training and evaluation
``results.json``                  the held-out evaluation; written last, so that it marks a finished run
================================  =================================================================================

Every file is written under a temporary name and renamed, so that a reader, or a training that is started again after
being killed, never meets half a file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtb_envs.files import write_json


class RunError(Exception):
    """A run folder cannot serve as asked; the message is one clear line."""


@dataclass(frozen=True)
class RunFolder:
    """The paths inside a run's folder."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / "settings.json"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def read_settings(self) -> dict[str, Any]:
        """The settings that the run was started with; RunError when the folder holds no run."""
        return _read_object(self.settings, f"{self.path} is not the folder of a run")

    def read_results(self) -> dict[str, Any]:
        """The results of the held-out evaluation; RunError when there are none that can be read."""
        results = _read_object(self.results, f"{self.path} has no results yet")
        if "evaluation" not in results:
            raise RunError(f"{self.results} holds no evaluation: remove it, and the same command evaluates anew")
        return results

    def claim(self, identity: dict[str, Any]) -> None:
        """Make this folder the run of these settings, or check that it is.

        Raises RunError when it holds another run or files of something else; nothing has changed then.
        """
        if self.settings.exists():
            difference = first_difference(self.read_settings(), identity)
            if difference is not None:
                name, there, here = difference
                raise RunError(
                    f"out {self.path} holds a run with {name} = {there!r}, this one has {here!r}: choose another out "
                    "or remove the folder"
                )
            return
        self._check_is_free()
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.settings, identity)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing this run; the lock goes with the process, however it ends.

        Raises RunError for a path that cannot be a run's folder; nothing has changed then.
        """
        try:
            if not self.settings.exists():
                self._check_is_free()
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("w")
        except OSError as error:
            raise RunError(f"out {self.path} cannot be the folder of a run: {error.strerror}") from None
        with file as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"out {self.path} is being written by another process") from None
            yield

    def _check_is_free(self) -> None:
        """Refuse a folder that holds files of something else."""
        if self.path.exists() and any(not name.startswith(".") for name in os.listdir(self.path)):
            raise RunError(f"out {self.path} holds files but no run: choose another out or an empty folder")


def _read_object(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise RunError(f"{otherwise}: {path} cannot be read") from None
    except ValueError as error:
        raise RunError(f"{otherwise}: {path} is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise RunError(f"{otherwise}: {path} holds no object")
    return value


def first_difference(there: Any, here: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """Dotted name and both values of the first setting that differs; None stands for one that is not there."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return None if there == here else (name, there, here)
    for key in sorted({*there, *here}):
        found = first_difference(there.get(key), here.get(key), f"{name}.{key}" if name else key)
        if found is not None:
            return found
    return None
