"""One pass over the rows of a market: is the chain whole, do agents recover, and what are the figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rtb_envs.studies.marketplace.chain import Chain, genesis
from rtb_envs.studies.marketplace.measures import Measures
from rtb_envs.studies.marketplace.recovery import Replay, recovery_rate
from rtb_envs.studies.marketplace.store import Run, Store


@dataclass(frozen=True)
class End:
    """Where a chain ended when somebody outside of the store wrote it down."""

    count: int
    head: str


@dataclass(frozen=True)
class Audit:
    """What the rows of a market say."""

    scenario: str
    seed: int
    problems: tuple[str, ...]
    """What is wrong with the chain, a sentence each; empty where it verifies."""
    end: End
    days: int
    """Days that are written to their end."""
    recovery_rate: float
    """Share of agents whose state, rebuilt from the entries, has the digest of the live one at the end of the last
    day."""
    unrecovered: tuple[str, ...]
    """The other agents."""
    decisions: dict[str, int]
    """Bid decisions, those that the tree passed on, and answers that no budget covered."""
    figures: dict[str, Any]


def audit(store: Store, run: Run, scenario: str, seed: int, expected: End | None = None) -> Audit:
    """Read every row of a market. ``expected`` is the end that the chain must have.

    A change of any field, and an entry that is missing, inserted or moved, breaks the chain at its place; a cut or
    rewritten end disagrees with the day's end, and with ``expected``, which lies outside of the store.
    """
    market = run.settings["market"]
    chain = Chain(scenario, seed, genesis(run.settings))
    measures, replay = Measures(market["days"]), Replay(market["buyers"], market["sellers"])
    problems: list[str] = []
    ends = store.days(run.name, scenario, seed)
    by_count = {end.entries: end for end, _ in ends}
    for number, entry, hash in store.entries(run.name, scenario, seed):
        size = chain.append(entry)
        if (chain.count, chain.head) != (number, hash):
            problems.append(f"entry {number} does not follow from the entry before it")
            chain.count, chain.head = number, hash
        if number in by_count and by_count[number].head != hash:
            problems.append(f"entry {number} is not the one that ended day {by_count[number].day}")
        try:
            body = json.loads(entry.body)
            measures.read(entry, body, size)
            replay.read(entry, body)
        except (ValueError, KeyError, TypeError, AttributeError):
            problems.append(f"entry {number} can not be read")
    problems += _day_problems(ends, scenario, seed, chain.count)
    if expected is not None and expected != End(chain.count, chain.head):
        problems.append(f"the chain ends with entry {chain.count} and not as written down, with {expected.count}")
    live = _digests(ends[-1][0].digests) if ends else {}
    recovered = replay.digests()
    return Audit(
        scenario=scenario,
        seed=seed,
        problems=tuple(problems),
        end=End(chain.count, chain.head),
        days=len(ends),
        recovery_rate=recovery_rate(recovered, live) if live else 0.0,
        unrecovered=tuple(agent for agent, digest in live.items() if recovered.get(agent) != digest),
        decisions={name: sum(getattr(end, name) for end, _ in ends) for name in ("decided", "escalated", "refused")},
        figures=measures.figures(scenario),
    )


def _day_problems(ends: list[Any], scenario: str, seed: int, count: int) -> list[str]:
    problems = [f"the end of day {end.day} has been changed" for end, seal in ends if end.seal(scenario, seed) != seal]
    if [end.day for end, _ in ends] != list(range(1, len(ends) + 1)):
        problems.append("a day's end is missing")
    last = ends[-1][0].entries if ends else 0
    if last != count:
        problems.append(f"there are {count} entries, but the last day ended with entry {last}")
    return problems


def _digests(text: str) -> dict[str, str]:
    try:
        digests = json.loads(text)
    except ValueError:
        return {}
    return digests if isinstance(digests, dict) else {}
