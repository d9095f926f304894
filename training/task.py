"""What a run trains, whether one learner or a team: the commands are the same for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import polars as pl
from rich.table import Table

from training.curriculum import Curriculum
from training.run import RunFolder
from training.trainer import Validates


class Task(Protocol):
    """A learner, the stages it is trained in, and how it is judged."""

    learner: Any
    """``agents.registry.Learner``; a team's ``policy`` is one for each agent."""
    curriculum: Curriculum
    title: str
    """Who learns, for the screen."""

    def validator(self) -> Validates:
        """Who chooses the best checkpoint."""

    def save(self, state: Any, folder: Path) -> list[str]:
        """Write what ``state`` acts by into the run's folder; returns the file names."""

    def evaluate(self, state: Any) -> dict[str, Any]:
        """Entries of the results' file: ``market`` and ``evaluation``."""

    def record(self, state: Any, folder: Path) -> list[str]:
        """Keep an episode for reports in the run's folder, where there is a recorder; returns what was written."""

    def draw(self, folder: RunFolder, results: dict[str, Any], validation: pl.DataFrame) -> list[str]:
        """Write the pictures into the run's folder; returns the file names."""

    def table(self, results: dict[str, Any]) -> Table:
        """The results as a person reads them."""
