"""Where the store is, and how the command line speaks of wrong settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rtb_envs.model_errors import rule_broken
from rtb_envs.studies.marketplace.store import Store

RESULTS = Path("results/run.json")
STORE_NAME = "market.db"
DB = Annotated[str | None, typer.Option(help="An SQLite file or a database URL; market.db beside the results.")]


def store_url(db: str | None, results: Path = RESULTS) -> str:
    """``db``, or the store beside ``results``."""
    return str(results.parent / STORE_NAME) if db is None else db


STORE_ERRORS = (ValueError, OSError, SQLAlchemyError)
"""What a store that can not be used, or a file that can not be written, raises."""


def described(error: Exception) -> str:
    """An error in one line, without the statement that a database was given."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)


@contextlib.contextmanager
def opened(url: str, *, read_only: bool = False) -> Iterator[Store]:
    """The store at ``url``, closed in the end."""
    store = Store(url, read_only=read_only)
    try:
        yield store
    finally:
        store.close()


def settings_errors(error: ValidationError) -> list[str]:
    """A line for each wrong setting: its name, what is wrong, and what was given."""
    lines = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"])
        lines.append(f"{name}: {rule_broken(one)}" if name else one["msg"].removeprefix("Value error, "))
    return lines
