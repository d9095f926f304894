"""Where the store is, and how the command line speaks of wrong settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from rtb_envs.studies.marketplace.store import Store

RESULTS = Path("results/run.json")
STORE_NAME = "market.db"
DB = Annotated[str | None, typer.Option(help="An SQLite file or a database URL; market.db beside the results.")]


def store_url(db: str | None, results: Path = RESULTS) -> str:
    """``db``, or the store beside ``results``."""
    return str(results.parent / STORE_NAME) if db is None else db


@contextlib.contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store at ``url``, closed in the end."""
    store = Store(url)
    try:
        yield store
    finally:
        store.close()


def settings_errors(error: ValidationError) -> list[str]:
    """A line for each wrong setting: its name, what is wrong, and what was given."""
    lines = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"])
        message = one["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {message}, got {one['input']!r}" if name else message)
    return lines
