"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars


@contextlib.contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write a file or a folder under: it becomes ``path`` at the end, or goes on an error.

    A file replaces the one that was there; a folder can not.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        else:
            unfinished.unlink(missing_ok=True)


def write_parquet(frame: polars.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write ``frame`` to ``path``, which is replaced; folders above it are made. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_nothing(path) as unfinished:
        frame.write_parquet(unfinished, compression="zstd")
    return path
