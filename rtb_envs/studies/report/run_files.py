"""What a run's folder holds for a report: every file may be missing while the run goes on.

============================  =====================================================================================
``settings.json``             what the run computes
``metrics.parquet``           a row an iteration: ``environment_steps`` and what the learner reports; of several
                              learners under names such as ``advertiser_0/policy_loss``
``validation.parquet``        a row a validation and seed: ``environment_steps``, ``stage``, ``score``
``results.json``              the held-out evaluation; written last
``episode/*.parquet``         an episode of Retargeting (``rtb_envs.studies.retargeting.recording``)
============================  =====================================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rtb_envs.studies.retargeting.tables import TABLES, Recording

Json = dict[str, Any]


class ReportError(ValueError):
    """A folder cannot be reported on; the message is one clear line."""


@dataclass(frozen=True)
class RunFiles:
    """The contents of a run's folder; None for what is not there (yet)."""

    path: Path
    settings: Json | None
    metrics: pl.DataFrame | None
    validation: pl.DataFrame | None
    results: Json | None
    episode: Recording | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is written."""
        return self.results is not None or self.settings is None


def read_run(path: Path) -> RunFiles:
    """Read what there is of a run. Raises ReportError when ``path`` is no run's folder or a file in it is damaged."""
    if not path.is_dir():
        raise ReportError(f"{path} is not a folder")
    run = RunFiles(
        path,
        settings=_json(path / "settings.json"),
        metrics=_table(path / "metrics.parquet"),
        validation=_table(path / "validation.parquet"),
        results=_json(path / "results.json"),
        episode=_episode(path / "episode"),
    )
    if run.settings is None and run.episode is None:
        raise ReportError(f"{path} is not the folder of a run: it has neither settings.json nor an episode")
    return run


def modified(path: Path) -> dict[str, int]:
    """When each file of a run's folder that a report reads was written, in nanoseconds."""
    files = [*path.glob("*.json"), *path.glob("*.parquet"), *(path / "episode").glob("*.parquet")]
    return {str(file): file.stat().st_mtime_ns for file in files if not file.name.startswith(".")}


def _episode(folder: Path) -> Recording | None:
    tables = {name: _table(folder / f"{name}.parquet") for name in TABLES}
    present = {name: table for name, table in tables.items() if table is not None}
    return Recording(**present) if len(present) == len(TABLES) else None


def _json(path: Path) -> Json | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ReportError(f"{path} holds no object")
    return value


def _table(path: Path) -> pl.DataFrame | None:
    try:
        table = pl.read_parquet(path)
    except FileNotFoundError:
        return None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReportError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    return None if table.is_empty() else table
