"""Files that are there whole or not at all, and texts that are read within limits."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    unfinished = _unfinished(path)
    _remove(unfinished)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        _remove(unfinished)


def check_writable(path: Path) -> None:
    """Raise OSError if a file or a new folder ``path`` could not be written now, before the work that fills it.

    An empty file is written under the hidden name, and goes again with the folders made for it.
    """
    _refuse_folders([path])
    missing = [folder for folder in path.parents if not folder.exists()]
    unfinished = _unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(unfinished)
        unfinished.touch()
        unfinished.unlink()
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` fill a hidden neighbour of ``path`` (same suffix), then rename it into place."""
    with whole_or_nothing(path) as unfinished:
        write(unfinished)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8, atomically."""
    write_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write ``texts`` (file name -> text) in UTF-8 into ``folder``, which is made with those above it.

    All are written under hidden names before the first is renamed, so that one that can not be written leaves the
    folder's files as they were. Files of these names are replaced, others kept. Returns the paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in texts]
    _refuse_folders(paths)
    with contextlib.ExitStack() as stack:
        for path, text in zip(paths, texts.values(), strict=True):
            stack.enter_context(whole_or_nothing(path)).write_text(text, encoding="utf-8")
    return paths


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; NaN and infinities are refused by a ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_text(path: Path, most_bytes: int) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises ValueError for more than ``most_bytes`` bytes (of which no more are read) or another encoding, OSError if the
    file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"is larger than {most_bytes:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: byte {error.start} is {content[error.start]:#04x}") from None


def write_parquet(frame: polars.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write ``frame`` to ``path``, which is replaced; folders above it are made. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda unfinished: frame.write_parquet(unfinished, compression="zstd"))
    return path


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.stem}.unfinished{path.suffix}")


def _refuse_folders(paths: Sequence[Path]) -> None:
    if occupied := [path for path in paths if path.is_dir()]:
        raise IsADirectoryError(errno.EISDIR, f"{occupied[0].name} is a folder")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
