"""Avazu's CSV to Parquet, streamed, with the calendar columns added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.io.plugins import register_io_source

from rtb_envs.files import whole_or_nothing
from rtb_envs.studies.ctr.avazu import LogError
from rtb_envs.studies.ctr.reading import AvazuLog

ROW_GROUP = 262_144


@dataclass(frozen=True)
class Conversion:
    """What a conversion did. ``reasons`` are those of the first malformed rows, with their lines."""

    rows_read: int
    rows_written: int
    malformed: int
    miscounted: int
    """Of the malformed rows those with another number of fields than the header."""
    reasons: tuple[str, ...]
    has_clicks: bool
    ignored_columns: tuple[str, ...]
    bytes_written: int


def convert(source: Path, target: Path, rows: int | None = None, strict: bool = False) -> Conversion:
    """Write the log ``source`` (.csv, .csv.gz or .zip) as Parquet to ``target``, in the order of time it has.

    ``rows`` keeps a sample of so many: those whose ``id`` has the smallest hashes, so that it spreads over all days
    and is the same at every run. The source is then read twice. Malformed rows are left out, or refused if ``strict``.

    Raises LogError, and leaves what was at ``target`` untouched, when the log cannot be read (see ``AvazuLog``), has
    no well-formed row, or is what is at ``target``, and when that is a folder.
    """
    if rows is not None and rows < 1:
        raise LogError(f"rows: got {rows}, must be at least 1")
    if target.is_dir():
        raise LogError(f"{target}: is a folder, must be the Parquet file to write")
    if target.exists() and source.exists() and target.samefile(source):
        raise LogError(f"{target}: is the log itself, must be another file")
    log = AvazuLog(source, strict)
    largest_hash = None if rows is None else _largest_hash_of_sample(log, rows)
    written = _Counted(log, largest_hash)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_nothing(target) as unfinished:
        stream = register_io_source(written.batches, schema=dict(log.schema))
        try:
            stream.sink_parquet(unfinished, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True)
        except pl.exceptions.PolarsError:
            if written.failure is None:
                raise
        if written.failure is not None:
            raise written.failure
        if written.rows == 0:
            raise LogError(_nothing_to_write(log))
        size = unfinished.stat().st_size
    return Conversion(
        rows_read=log.rows,
        rows_written=written.rows,
        malformed=log.malformed,
        miscounted=log.miscounted,
        reasons=tuple(log.reasons),
        has_clicks=log.has_clicks,
        ignored_columns=tuple(log.ignored_columns),
        bytes_written=size,
    )


class _Counted:
    """The batches of a log as polars asks for them, counted. Polars rewords errors, so ours is kept in ``failure``."""

    def __init__(self, log: AvazuLog, largest_hash: int | None) -> None:
        self._log = log
        self._largest_hash = largest_hash
        self.rows = 0
        self.failure: LogError | None = None

    def batches(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        """All rows: the only reader is a sink, which asks for no selection."""
        try:
            for batch in self._log.batches():
                kept = batch
                if self._largest_hash is not None:
                    kept = batch.filter(pl.Series(hashes(batch["id"].to_numpy()) <= self._largest_hash))
                self.rows += kept.height
                yield kept
        except LogError as error:
            self.failure = error


def hashes(ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Well-mixed 64-bit hashes of ids: the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    x = ids + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def _largest_hash_of_sample(log: AvazuLog, rows: int) -> int | None:
    """The ``rows``-th smallest hash of the log, or None when it has no more rows than that."""
    smallest: list[npt.NDArray[np.uint64]] = []
    held = 0
    for batch in log.batches():
        smallest.append(hashes(batch["id"].to_numpy()))
        held += batch.height
        if held > 2 * rows:
            smallest = [np.partition(np.concatenate(smallest), rows - 1)[:rows]]
            held = rows
    if held <= rows and log.rows - log.malformed <= rows:
        return None
    return int(np.partition(np.concatenate(smallest), rows - 1)[rows - 1])


def _nothing_to_write(log: AvazuLog) -> str:
    if log.rows == 0:
        return f"{log.path} has a header and no rows"
    return f"{log.path}: all {log.rows} rows are malformed, the first: {log.reasons[0]}"
