"""The store of runs: SQLite in one file by default, PostgreSQL by URL, through SQLAlchemy."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from rtb_envs.studies.marketplace.chain import Entry, canonical
from rtb_envs.studies.marketplace.schema import ANSWERS, DAYS, ENTRIES, METADATA, MODEL_CACHE, MODEL_CALLS, RUNS
from rtb_envs.studies.marketplace.seals import NO_CALLS, cache_faults, next_call, run_faults, run_seal

ROWS_AT_ONCE = 5_000
CALLS_OF_A_LATENCY = 100
TABLES_OF_A_RUN = (MODEL_CALLS, ANSWERS, ENTRIES, DAYS, RUNS)


class Run(NamedTuple):
    """A run as the store knows it."""

    name: str
    settings: dict[str, Any]
    status: str
    began: float
    changed: float


class DayEnd(NamedTuple):
    """What is kept of the end of a market's day besides its entries."""

    day: int
    entries: int
    head: str
    decided: int
    escalated: int
    refused: int
    digests: str
    """Canonical JSON: agent -> digest of its state."""
    answers: str
    """Seal of the day's answers."""


class Store:
    """Runs, their entries and days. Whatever belongs together is written in one transaction.

    ``url`` is an SQLAlchemy URL, or the path of an SQLite file, which is made with its folder. One that is opened for
    reading only is neither made nor changed. Raises ValueError for a URL that can not be used, or read.
    """

    def __init__(self, url: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.url = engine_url(url)
        in_file = self.url.get_backend_name() == "sqlite"
        if in_file and read_only and not Path(self.url.database or "").is_file():
            raise ValueError(f"db must be a store that is there, got {_shown(url)}")
        try:
            self.engine: Engine = sa.create_engine(_reading(self.url) if in_file and read_only else self.url)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            allowed = "the path of an SQLite file or a database URL"
            raise ValueError(f"db must be {allowed}, got {_shown(url)}: {error}") from None
        if read_only:
            return
        if in_file:
            Path(self.url.database or "").parent.mkdir(parents=True, exist_ok=True)
            sa.event.listen(self.engine, "connect", _tune_sqlite)
        for _ in METADATA.tables:
            # Another process may make a table after it was looked for: then there is one more at every attempt.
            with contextlib.suppress(sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.IntegrityError):
                METADATA.create_all(self.engine)
                return
        METADATA.create_all(self.engine)

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    def begin_run(self, run: str, settings: dict[str, Any]) -> None:
        """Note that ``run`` is under way; ValueError if it is there with other settings."""
        known, now = self.find_run(run), time.time()
        if known is not None and known.settings != settings:
            raise ValueError(f"run {run!r} is in the store with other settings: choose another name, or reset it")
        with self.engine.begin() as connection:
            if known is None:
                row = {"run": run, "settings": canonical(settings), "status": "running", "began": now, "changed": now}
                row |= {"calls": 0, "calls_head": NO_CALLS}
                connection.execute(sa.insert(RUNS), {**row, "seal": run_seal(row)})
            else:
                _change(connection, run, status="running")

    def set_status(self, run: str, status: str) -> None:
        """Note that ``run`` is "running", "stopped" or "complete"."""
        with self.engine.begin() as connection:
            _change(connection, run, status=status)

    def runs(self) -> list[Run]:
        """Every run, the latest change first."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(RUNS).order_by(RUNS.c.changed.desc(), RUNS.c.run)).all()
        return [Run(row.run, _read(row.settings), row.status, row.began, row.changed) for row in rows]

    def row_faults(self, run: str) -> list[str]:
        """What is wrong with the row of ``run``, with its calls of a model, and with the kept answers of models."""
        with self.engine.connect() as connection:
            row = dict(connection.execute(sa.select(RUNS).where(RUNS.c.run == run)).mappings().one())
            kept = [dict(answer) for answer in connection.execute(sa.select(MODEL_CACHE)).mappings()]
        return run_faults(row, _read(row["settings"]), self.calls(run)) + cache_faults(kept)

    def find_run(self, run: str) -> Run | None:
        """The run of that name, or None."""
        return next((known for known in self.runs() if known.name == run), None)

    def write(self, run: str, entries: Sequence[dict[str, Any]], days: Sequence[dict[str, Any]]) -> None:
        """Add rows of ``entries`` and ``days`` in one transaction; ValueError if they are there already."""
        try:
            with self.engine.begin() as connection:
                for first in range(0, len(entries), ROWS_AT_ONCE):
                    connection.execute(sa.insert(ENTRIES), entries[first : first + ROWS_AT_ONCE])
                if days:
                    connection.execute(sa.insert(DAYS), days)
                    _change(connection, run, status="running")
        except sa.exc.IntegrityError:
            raise ValueError(f"run {run!r} is being written by another process: wait for it, and try again") from None

    def write_answers(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows of ``answers`` in one transaction."""
        with self.engine.begin() as connection:
            connection.execute(sa.insert(ANSWERS), rows)

    def answers(self, run: str, scenario: str, seed: int) -> list[tuple[int, int, int, int, str]]:
        """Given decisions of a market: (day, package, campaign, answer, source), in that order."""
        columns = (ANSWERS.c.day, ANSWERS.c.package, ANSWERS.c.campaign, ANSWERS.c.answer, ANSWERS.c.source)
        query = sa.select(*columns).where(*_market(ANSWERS, run, scenario, seed)).order_by(*columns[:3])
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def entries(self, run: str, scenario: str, seed: int) -> Iterator[tuple[int, Entry, str]]:
        """(number, entry, hash) of a market in order of number."""
        columns = [ENTRIES.c[name] for name in ("number", *Entry._fields, "hash")]
        query = sa.select(*columns).where(*_market(ENTRIES, run, scenario, seed)).order_by(ENTRIES.c.number)
        with self.engine.connect().execution_options(yield_per=ROWS_AT_ONCE) as connection:
            for number, *fields, hash in connection.execute(query):
                yield number, Entry(*fields), hash

    def days(self, run: str, scenario: str, seed: int) -> list[tuple[DayEnd, str]]:
        """The ends of a market's days with their seals, in order."""
        columns = [DAYS.c[name] for name in (*DayEnd._fields, "seal")]
        query = sa.select(*columns).where(*_market(DAYS, run, scenario, seed)).order_by(DAYS.c.day)
        with self.engine.connect() as connection:
            return [(DayEnd(*row[:-1]), row[-1]) for row in connection.execute(query)]

    def progress(self, run: str) -> dict[tuple[str, int], int]:
        """The last day that is written, of each (scenario, seed)."""
        query = sa.select(DAYS.c.scenario, DAYS.c.seed, sa.func.max(DAYS.c.day)).where(DAYS.c.run == run)
        with self.engine.connect() as connection:
            rows = connection.execute(query.group_by(DAYS.c.scenario, DAYS.c.seed)).all()
        return {(scenario, seed): day for scenario, seed, day in rows}

    def entry_markets(self, run: str) -> set[tuple[str, int]]:
        """Every (scenario, seed) that has an entry or a day."""
        with self.engine.connect() as connection:
            found: set[tuple[str, int]] = set()
            for table in (ENTRIES, DAYS):
                query = sa.select(table.c.scenario, table.c.seed).where(table.c.run == run).distinct()
                found.update((scenario, seed) for scenario, seed in connection.execute(query))
        return found

    def delete(self, run: str | None = None) -> int:
        """Remove ``run`` (None: every run) with all that belongs to it; how many runs went."""
        with self.engine.begin() as connection:
            for table in TABLES_OF_A_RUN:
                gone = connection.execute(
                    sa.delete(table) if run is None else sa.delete(table).where(table.c.run == run)
                )
        return int(gone.rowcount)

    def write_call(self, row: dict[str, Any]) -> None:
        """Add a row of ``model_calls``."""
        with self.engine.begin() as connection:
            connection.execute(sa.insert(MODEL_CALLS), row)
            query = sa.select(RUNS.c.calls, RUNS.c.calls_head).where(RUNS.c.run == row["run"])
            calls, head = connection.execute(query).one()
            _change(connection, row["run"], calls=calls + 1, calls_head=next_call(head, row))

    def calls(self, run: str) -> list[dict[str, Any]]:
        """The rows of ``model_calls``, in order."""
        query = sa.select(MODEL_CALLS).where(MODEL_CALLS.c.run == run).order_by(MODEL_CALLS.c.id)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def answer_sources(self, run: str) -> dict[str, int]:
        """How many answers of a run there are, by source."""
        query = sa.select(ANSWERS.c.source, sa.func.count()).where(ANSWERS.c.run == run).group_by(ANSWERS.c.source)
        with self.engine.connect() as connection:
            return {str(source): int(count) for source, count in connection.execute(query)}

    def model_seconds(self, run: str) -> float | None:
        """Mean seconds of the last calls of a model; None where there were none."""
        query = sa.select(MODEL_CALLS.c.seconds).where(MODEL_CALLS.c.run == run).order_by(MODEL_CALLS.c.id.desc())
        with self.engine.connect() as connection:
            seconds = connection.execute(query.limit(CALLS_OF_A_LATENCY)).scalars().all()
        return sum(seconds) / len(seconds) if seconds else None

    def query_seconds(self) -> float:
        """How long the store takes to answer a small question."""
        began = time.perf_counter()
        with self.engine.connect() as connection:
            connection.execute(sa.select(sa.func.count()).select_from(RUNS)).all()
        return time.perf_counter() - began


def engine_url(url: str | os.PathLike[str]) -> sa.URL:
    """``url`` as SQLAlchemy's; what has no scheme is the path of an SQLite file."""
    text = os.fspath(url)
    try:
        parsed = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
    except (sa.exc.ArgumentError, ValueError):
        # The text is not repeated: it may hold a password.
        raise ValueError("db must be the path of an SQLite file or a database URL, got a URL of neither kind") from None
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError(f"db must be a file or a server that outlives the run, got {text!r}")
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername in ("postgresql", "postgres") else parsed


def _read(settings: Any) -> dict[str, Any]:
    """A run's settings; empty where they can not be read, as nobody's are."""
    try:
        read = json.loads(settings)
    except (ValueError, TypeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _shown(url: str | os.PathLike[str]) -> str:
    """``url`` without its password."""
    return repr(engine_url(url).render_as_string(hide_password=True))


def _reading(url: sa.URL) -> sa.URL:
    """An SQLite file that is only read; where its folder can not be written, as one that nobody else changes."""
    assert url.database is not None
    folder = Path(url.database).resolve().parent
    query = {"mode": "ro", "uri": "true", **({} if os.access(folder, os.W_OK) else {"immutable": "1"})}
    return url.set(database=f"file:{url.database}", query=query)


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # Safe against a killed process; a power cut can lose the last transactions, but never half of one.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _market(table: sa.Table, run: str, scenario: str, seed: int) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.run == run, table.c.scenario == scenario, table.c.seed == seed


def _change(connection: sa.Connection, run: str, **fields: Any) -> None:
    """Change fields of a run's row, with its time and seal."""
    old = connection.execute(sa.select(RUNS).where(RUNS.c.run == run)).mappings().one()
    row = {**old, **fields, "changed": time.time()}
    connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values({**row, "seal": run_seal(row)}))
