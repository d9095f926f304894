"""Seals: what a row of the store must hash to, so that a changed field is found.

Entries are chained one by one (``chain``). The ends of a market's days and the calls of a model are chains too, so
that none of them can go missing; a run's row carries the end of the latter. Seals need no key: who rewrites a row and
everything that follows from it goes unnoticed inside the store, and is found by what the results wrote down outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rtb_envs.studies.marketplace.chain import canonical, digest
from rtb_envs.studies.marketplace.settings import Settings

NO_CALLS = digest([])
"""What stands before the first call of a model."""
CALL_FIELDS = (
    *("run", "kind", "decisions", "input_tokens", "output_tokens"),
    *("unanswered_input_tokens", "unanswered_output_tokens", "seconds", "outcome"),
)
RUN_FIELDS = ("run", "settings", "status", "began", "changed", "calls", "calls_head")
CACHE_FIELDS = ("scope", "key", "hour", "answer")


def run_seal(row: Mapping[str, Any]) -> str:
    """The seal of a row of ``runs``."""
    return digest([row[name] for name in RUN_FIELDS])


def cache_seal(row: Mapping[str, Any]) -> str:
    """The seal of a row of ``model_cache``."""
    return digest([row[name] for name in CACHE_FIELDS])


def day_seal(before: str, scenario: str, seed: int, fields: Sequence[Any]) -> str:
    """The seal of a day's end after the one that is sealed ``before``; before the first stands the market's genesis."""
    return digest([before, scenario, seed, *fields])


def next_call(head: str, row: Mapping[str, Any]) -> str:
    """The end of the chain of a run's model calls with one more."""
    return digest([head, *(row[name] for name in CALL_FIELDS)])


def answers_seal(rows: Iterable[Sequence[Any]]) -> str:
    """The seal of the answers of a market's day: rows of package, campaign, answer and source, in that order."""
    return digest([list(row) for row in rows])


def run_faults(row: Mapping[str, Any], settings: Any, calls: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the row of a run, with its ``settings`` as read from it, and with its calls of a model."""
    found = []
    if _fails(lambda: run_seal(row) == row["seal"]):
        found.append("the run's row has been changed")
    if _fails(lambda: canonical(settings) == row["settings"] and Settings.of_fingerprint(settings)):
        found.append("the run's settings are not those of a run")
    head, count = NO_CALLS, 0
    for call in calls:
        try:
            head, count = next_call(head, call), count + 1
        except (TypeError, ValueError):
            return [*found, f"call {count + 1} of the model can not be read"]
    if (head, count) != (row["calls_head"], row["calls"]):
        found.append("the calls of the model are not those that were made")
    return found


def cache_faults(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the kept answers of models, whichever run asked for them."""
    return [f"the kept answer {row['key']!r} has been changed" for row in rows if not _is_sealed(row)]


def _is_sealed(row: Mapping[str, Any]) -> bool:
    return not _fails(lambda: cache_seal(row) == row["seal"])


def _fails(check: Any) -> bool:
    """Whether ``check`` is false or can not even be made: a changed field may hold anything."""
    try:
        return not check()
    except Exception:
        return True
