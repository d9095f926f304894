"""The canonical dump of a run: what two runs of the same settings have in common, to the last byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from rtb_envs.studies.marketplace.chain import canonical, canonical_entry
from rtb_envs.studies.marketplace.results import markets_of
from rtb_envs.studies.marketplace.store import Run, Store


def canonical_dump(store: Store, run: Run) -> Iterator[str]:
    """A line of canonical JSON for the settings, and for every entry with its hash and every day's end, in order."""
    yield canonical(run.settings)
    for scenario, seed in markets_of(run):
        for number, entry, hash in store.entries(run.name, scenario, seed):
            yield f"[{canonical_entry(scenario, seed, number, entry)},{canonical(hash)}]"
        for end, seal in store.days(run.name, scenario, seed):
            yield canonical([scenario, seed, *end, seal])


def dump_digest(store: Store, run: Run) -> str:
    """SHA-256 of the dump, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for line in canonical_dump(store, run):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
