"""The hash chain: every entry carries the hash of all that came before, H_i = SHA-256(H_(i-1) ‖ canonical JSON)."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One fact of a market: what happened when, between whom. Amounts in ``body`` are whole cents, prices mills."""

    day: int
    """1 is the first; 0 before the market opens."""
    hour: int
    kind: str
    buyer: str
    """Empty where no buyer takes part; as the seller's."""
    seller: str
    body: str
    """Canonical JSON of the rest."""


def canonical(value: Any) -> str:
    """The one JSON text of ``value``: keys sorted, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_entry(scenario: str, seed: int, number: int, entry: Entry) -> str:
    """The canonical JSON of an entry with its place; the same as ``canonical`` of a dictionary of all fields."""
    return (
        f'{{"body":{entry.body},"buyer":"{entry.buyer}","day":{entry.day},"hour":{entry.hour},"kind":"{entry.kind}",'
        f'"number":{number},"scenario":"{scenario}","seed":{seed},"seller":"{entry.seller}"}}'
    )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def genesis(settings: dict[str, Any]) -> str:
    """What stands before the first entry: the hash of the settings that the market was run under."""
    return digest(settings)


class Chain:
    """The chain of one market (scenario and seed) as it grows."""

    def __init__(self, scenario: str, seed: int, head: str, count: int = 0) -> None:
        self.scenario, self.seed, self.head, self.count = scenario, seed, head, count

    def append(self, entry: Entry) -> int:
        """Add ``entry``; ``head`` is then its hash, ``count`` its number, and the result its length in bytes."""
        self.count += 1
        text = canonical_entry(self.scenario, self.seed, self.count, entry)
        self.head = hashlib.sha256((self.head + text).encode()).hexdigest()
        return len(text)
