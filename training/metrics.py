"""The figures of a run while it trains: one table an event kind, as Parquet and CSV, and TensorBoard events.

The Parquet files are the truth. A resumed run drops the rows after its checkpoint and writes the TensorBoard events
anew from the rest, so that no iteration is missing or counted twice, wherever the run was killed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import polars as pl
from tensorboardX import SummaryWriter

from rtb_envs.files import write_atomically
from training.run import RunFolder

METRICS, VALIDATION = "metrics", "validation"
Row = Mapping[str, float | int | str | None]


def read_table(folder: RunFolder, name: str) -> pl.DataFrame:
    """The table ``metrics`` or ``validation`` of a run; empty when it has no rows yet."""
    path = folder.path / f"{name}.parquet"
    return pl.read_parquet(path) if path.exists() else pl.DataFrame()


class MetricsLog:
    """Collects rows; ``flush`` puts them on disk. A context manager, because TensorBoard's writer has a thread."""

    def __init__(self, folder: RunFolder, iteration: int) -> None:
        """Go on after ``iteration``: rows of later ones are dropped."""
        self._folder = folder
        self._rows = {name: _rows_until(read_table(folder, name), iteration) for name in (METRICS, VALIDATION)}
        # Events are append-only, so what a killed run left cannot be cut at a row.
        shutil.rmtree(folder.tensorboard, ignore_errors=True)
        self._events = SummaryWriter(str(folder.tensorboard), flush_secs=3600)
        for name, rows in self._rows.items():
            self._add_events(name, rows)

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()

    def add(self, name: str, rows: Sequence[Row]) -> None:
        """Append rows to a table; each has ``iteration`` and ``wall_time`` (seconds since 1970) and numbers or text.

        A figure that there is not, such as the mean over no episodes, is NaN in a row, null in the table and no event.
        """
        rows = [{key: None if value != value else value for key, value in row.items()} for row in rows]
        self._rows[name].extend(rows)
        self._add_events(name, rows)

    def table(self, name: str) -> pl.DataFrame:
        """The rows of a table so far."""
        return pl.DataFrame(self._rows[name], infer_schema_length=None)

    def flush(self) -> None:
        """Write every table whole; at some thousand rows that is milliseconds, and never leaves half a line."""
        for name, rows in self._rows.items():
            if rows:
                frame = self.table(name)
                path = self._folder.path / f"{name}.parquet"
                write_atomically(path, frame.write_parquet)
                write_atomically(path.with_suffix(".csv"), frame.write_csv)
        self._events.flush()

    def _add_events(self, name: str, rows: Sequence[Row]) -> None:
        for row in rows:
            group = f"{name}/seed{row['seed']}" if "seed" in row else name
            for key, value in row.items():
                is_figure = value is not None and not isinstance(value, str)
                if is_figure and key not in ("iteration", "seed", "wall_time"):
                    self._events.add_scalar(f"{group}/{key}", value, row["iteration"], walltime=row["wall_time"])


def _rows_until(table: pl.DataFrame, iteration: int) -> list[Row]:
    if table.is_empty():
        return []
    rows: list[dict[str, Any]] = table.filter(pl.col("iteration") <= iteration).to_dicts()
    return list(rows)
