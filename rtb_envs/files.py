"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars


@contextlib.contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A hidden name beside ``path``, with its suffix, to write a file or a folder under: it becomes ``path`` at the
    end, or goes on an error.

    A file replaces the one that was there; a folder can not. What a killed process leaves under the hidden name is
    overwritten by the next one that writes ``path``, so one process at a time may.
    """
    unfinished = path.with_name(f".{path.stem}.unfinished{path.suffix}")
    _remove(unfinished)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        _remove(unfinished)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` fill a hidden neighbour of ``path`` (same suffix), then rename it into place."""
    with whole_or_nothing(path) as unfinished:
        write(unfinished)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8, atomically."""
    write_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; NaN and infinities are refused by a ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_parquet(frame: polars.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write ``frame`` to ``path``, which is replaced; folders above it are made. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda unfinished: frame.write_parquet(unfinished, compression="zstd"))
    return path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
