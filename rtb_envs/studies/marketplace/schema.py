"""The tables of the store; the same in SQLite and in PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, SmallInteger, String, Table, Text

METADATA = MetaData()
_HASH = String(64)

RUNS = Table(
    "runs",
    METADATA,
    Column("run", String(200), primary_key=True),
    Column("settings", Text, nullable=False, comment="canonical JSON of what fixes the results"),
    Column("status", String(20), nullable=False, comment="running, stopped or complete"),
    Column("began", Float, nullable=False, comment="seconds since 1970"),
    Column("changed", Float, nullable=False),
    Column("calls", Integer, nullable=False, comment="of a model"),
    Column("calls_head", _HASH, nullable=False, comment="end of the chain of these calls"),
    Column("seal", _HASH, nullable=False, comment="SHA-256 of the row's other fields"),
)


def _market_columns() -> list[Column[object]]:
    """The key of one market: columns of a table of its own each time."""
    return [
        Column("run", String(200), primary_key=True),
        Column("scenario", String(1), primary_key=True),
        Column("seed", Integer, primary_key=True, autoincrement=False),
    ]


ENTRIES = Table(
    "entries",
    METADATA,
    *_market_columns(),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3, ... within a market"),
    Column("day", SmallInteger, nullable=False),
    Column("hour", SmallInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("buyer", String(20), nullable=False),
    Column("seller", String(20), nullable=False),
    Column("body", Text, nullable=False, comment="canonical JSON"),
    Column("hash", _HASH, nullable=False, comment="SHA-256 of the previous hash and this entry"),
    sqlite_with_rowid=False,  # rows lie in the order of their key: one tree to write and not two
)

DAYS = Table(
    "days",
    METADATA,
    *_market_columns(),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("entries", Integer, nullable=False, comment="those of the market up to the end of the day"),
    Column("head", _HASH, nullable=False, comment="hash of the last of them"),
    Column("decided", Integer, nullable=False, comment="bid decisions of the day"),
    Column("escalated", Integer, nullable=False, comment="of them passed on by the decision tree"),
    Column("refused", Integer, nullable=False, comment="answers that a budget did not cover"),
    Column("digests", Text, nullable=False, comment="canonical JSON: agent -> digest of its state"),
    Column("answers", _HASH, nullable=False, comment="SHA-256 of the day's rows of answers"),
    Column("seal", _HASH, nullable=False, comment="SHA-256 of the seal of the day before and the row's other fields"),
)

ANSWERS = Table(
    "answers",
    METADATA,
    *_market_columns(),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("package", Integer, primary_key=True, autoincrement=False),
    Column("campaign", Integer, primary_key=True, autoincrement=False),
    Column("answer", SmallInteger, nullable=False, comment="-1 the rules decide, 0 reject, 1 accept"),
    Column("source", String(10), nullable=False, comment="model, cache or rules"),
)

MODEL_CALLS = Table(
    "model_calls",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run", String(200), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("decisions", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("unanswered_input_tokens", Integer, nullable=False, comment="estimate, of attempts without an answer"),
    Column("unanswered_output_tokens", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("outcome", String(20), nullable=False, comment="answered, or why not"),
)

MODEL_CACHE = Table(
    "model_cache",
    METADATA,
    Column("scope", String(200), primary_key=True, comment="model, scenario and seed: markets share no answers"),
    Column("key", String(200), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False, comment="simulated hour of the answer"),
    Column("answer", SmallInteger, nullable=False),
    Column("seal", _HASH, nullable=False, comment="SHA-256 of the row's other fields"),
)
