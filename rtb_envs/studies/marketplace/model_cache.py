"""Answers of a model, kept for offers that are alike, for 24 simulated hours."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from rtb_envs.studies.marketplace.questions import CACHEABLE, Question
from rtb_envs.studies.marketplace.schema import METADATA, MODEL_CACHE
from rtb_envs.studies.marketplace.seals import cache_seal

LIFETIME_HOURS = 24


class ModelCache:
    """The answers of one model in one market (``scope``), in the tables of ``engine``."""

    def __init__(self, engine: Engine, scope: str) -> None:
        self._engine, self._scope = engine, scope
        METADATA.create_all(engine, [MODEL_CACHE])
        table = MODEL_CACHE
        with engine.connect() as connection:
            query = sa.select(table.c.key, table.c.hour, table.c.answer).where(table.c.scope == scope)
            self._known: dict[str, dict[int, int]] = {}
            for key, hour, answer in connection.execute(query):
                self._known.setdefault(key, {})[hour] = answer

    def find(self, question: Question) -> int | None:
        """The latest answer of the last 24 simulated hours to an offer that is alike; None for other kinds."""
        if question.kind not in CACHEABLE:
            return None
        hours = [hour for hour in self._known.get(question.key, {}) if 0 <= question.hour - hour < LIFETIME_HOURS]
        return self._known[question.key][max(hours)] if hours else None

    def keep(self, answered: list[tuple[Question, int]]) -> None:
        """Remember answers of kinds that may be cached; the first to an hour and key stays."""
        fresh = {}
        for question, answer in answered:
            if question.kind in CACHEABLE and question.hour not in self._known.get(question.key, {}):
                fresh[question.key, question.hour] = answer
        if not fresh:
            return
        rows = [{"scope": self._scope, "key": k, "hour": h, "answer": a} for (k, h), a in fresh.items()]
        rows = [{**row, "seal": cache_seal(row)} for row in rows]
        with self._engine.begin() as connection:
            connection.execute(sa.insert(MODEL_CACHE), rows)
        for (key, hour), answer in fresh.items():
            self._known.setdefault(key, {})[hour] = answer
