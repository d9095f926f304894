"""One pass over the rows of a market: is the chain whole, do agents recover, and what are the figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rtb_envs.studies.marketplace.chain import Chain, Entry, genesis
from rtb_envs.studies.marketplace.measures import Measures
from rtb_envs.studies.marketplace.recovery import Replay, recovery_rate, unrecovered
from rtb_envs.studies.marketplace.seals import answers_seal, day_seal
from rtb_envs.studies.marketplace.store import DayEnd, Run, Store


@dataclass(frozen=True)
class End:
    """Where a market ended when somebody outside of the store wrote it down."""

    count: int
    head: str
    seal: str
    """Of the last day's end."""


@dataclass(frozen=True)
class Audit:
    """What the rows of a market say."""

    scenario: str
    seed: int
    problems: tuple[str, ...]
    """What is wrong, a sentence each; empty where everything verifies. Of the chain the first fault only: what comes
    after it follows from nothing."""
    end: End
    days: int
    """Days that are written to their end."""
    recovery_rate: float
    """Share of the market's agents whose state, rebuilt from the entries, has the digest of the live one at the end of
    the last day."""
    unrecovered: tuple[str, ...]
    """The other agents."""
    decisions: dict[str, int]
    """Bid decisions, those that the tree passed on, and answers that no budget covered."""
    figures: dict[str, Any]
    """Measured from the entries before the first fault."""


def audit(store: Store, run: Run, scenario: str, seed: int, expected: End | None = None) -> Audit:
    """Read every row of a market. ``expected`` is the end that it must have.

    A change of any field, and an entry that is missing, inserted or moved, breaks a chain at its place; a cut or
    rewritten end disagrees with the day's end, and with ``expected``, which lies outside of the store. A row is hashed
    before it is understood, so that what somebody wrote into it is never worked on.
    """
    market = run.settings["market"]
    chain = Chain(scenario, seed, genesis(run.settings))
    measures, replay = Measures(market["days"]), Replay(market["buyers"], market["sellers"])
    ends = store.days(run.name, scenario, seed)
    answers = store.answers(run.name, scenario, seed)
    seal, problems = _day_problems(ends, scenario, seed, chain.head, answers)
    if strange := {day for day, *_ in answers} - set(range(1, market["days"] + 1)):
        problems.append(f"there are answers of days that the market does not have: {sorted(map(str, strange))[0]}")
    heads = {} if problems else {end.entries: end for end, _ in ends}
    entries, broken = store.entries(run.name, scenario, seed), False
    while True:
        try:
            number, entry, hash = next(entries)
        except StopIteration:
            break
        except Exception as error:
            problems.append(f"entries after number {chain.count} can not be read: {type(error).__name__}")
            break
        if not broken:
            size = chain.append(entry)
            if (chain.count, chain.head) != (number, hash):
                problems.append(f"entry {number} does not follow from the entry before it")
                broken = True
            elif number in heads and heads[number].head != hash:
                problems.append(f"entry {number} is not the one that ended day {heads[number].day}")
        if not _taken_in(entry, None if broken else size, measures, replay) and not broken:
            problems.append(f"entry {number} can not be read")
    last = ends[-1][0].entries if ends else 0
    if not broken and last != chain.count:
        problems.append(f"there are {chain.count} entries, but the last day ended with entry {last}")
    end = End(chain.count, chain.head, seal)
    if expected is not None and expected != end:
        problems.append(f"the market ends with entry {end.count} and not as written down, with {expected.count}")
    recovered, live = replay.digests(), _digests(ends[-1][0].digests) if ends else {}
    return Audit(
        scenario=scenario,
        seed=seed,
        problems=tuple(problems),
        end=end,
        days=len(ends),
        recovery_rate=recovery_rate(recovered, live),
        unrecovered=unrecovered(recovered, live),
        decisions={} if problems else _decisions(ends),
        figures=measures.figures(scenario),
    )


def _taken_in(entry: Entry, size: int | None, measures: Measures, replay: Replay) -> bool:
    """Whether the entry could be read; without ``size`` it is only replayed, for what can still be recovered."""
    try:
        body = json.loads(entry.body)
        if size is not None:
            measures.read(entry, body, size)
        replay.read(entry, body)
    except Exception:  # a field may hold anything
        return False
    return True


def _day_problems(
    ends: list[tuple[DayEnd, str]], scenario: str, seed: int, genesis: str, answers: list[tuple[Any, ...]]
) -> tuple[str, list[str]]:
    """The seal of the last day, and what is wrong with the ends of days and with their answers."""
    given: dict[Any, list[tuple[Any, ...]]] = {}
    for day, *answer in answers:
        given.setdefault(day, []).append(tuple(answer))
    problems: list[str] = []
    seal = genesis
    for number, (end, written) in enumerate(ends, 1):
        try:
            seal, answered = day_seal(seal, scenario, seed, end), answers_seal(given.get(end.day, ()))
        except (TypeError, ValueError):
            seal = answered = ""
        if end.day != number:
            return seal, [*problems, "a day's end is missing"]
        if seal != written:
            return seal, [*problems, f"the end of day {end.day} has been changed"]
        if answered != end.answers:
            problems.append(f"the answers of day {end.day} are not those that were given")
    return seal, problems


def _decisions(ends: list[tuple[DayEnd, str]]) -> dict[str, int]:
    return {name: sum(getattr(end, name) for end, _ in ends) for name in ("decided", "escalated", "refused")}


def _digests(text: Any) -> dict[str, str]:
    try:
        digests = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return digests if isinstance(digests, dict) else {}
