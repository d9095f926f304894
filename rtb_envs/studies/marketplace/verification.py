"""A whole run held against its chains, against the ends written in its results, and against the live states."""

from __future__ import annotations

from pathlib import Path

from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.entries import buyer_name, seller_name
from rtb_envs.studies.marketplace.results import expected_ends, markets_of, read_results
from rtb_envs.studies.marketplace.store import Run, Store


def verify_run(store: Store, run: Run, results: Path | None = None) -> tuple[int, list[str]]:
    """How many entries were read, and what is wrong, a sentence each.

    Without ``results`` a market that has not been written to its end is no fault; with them it is.
    """
    ends = {} if results is None else expected_ends(read_results(results))
    markets = markets_of(run)
    strange = store.entry_markets(run.name) - set(markets)
    problems = [f"scenario {scenario}, seed {seed} does not belong to the run" for scenario, seed in sorted(strange)]
    problems += [f"scenario {s}, seed {n} is in the results but not in the run" for s, n in ends.keys() - set(markets)]
    count = 0
    for scenario, seed in markets:
        seen = audit(store, run, scenario, seed, ends.get((scenario, seed)))
        count += seen.end.count
        problems += [f"scenario {scenario}, seed {seed}: {problem}" for problem in seen.problems]
        if run.status == "complete" and seen.days < run.settings["market"]["days"]:
            problems.append(f"scenario {scenario}, seed {seed}: only {seen.days} days of a complete run are there")
    return count, problems


def recover_run(store: Store, run: Run, agent: str | None, seed: int | None) -> list[tuple[str, int, bool]]:
    """(agent, seed, whether the digest is equal) of scenario C, for one or all agents and seeds.

    Raises ValueError for an agent or seed that is not in the run, or where nothing has been written yet.
    """
    market = run.settings["market"]
    agents = [*map(buyer_name, range(market["buyers"])), *map(seller_name, range(market["sellers"]))]
    seeds = [s for scenario, s in markets_of(run) if scenario == "c"]
    if agent is not None and agent not in agents:
        raise ValueError(
            f"agent must be one of {agents[0]} to {agents[market['buyers'] - 1]} and {agents[-market['sellers']]} "
            f"to {agents[-1]}, got {agent!r}"
        )
    if not seeds:
        raise ValueError(f"run {run.name!r} has no scenario c, whose ledger agents recover from")
    if seed is not None and seed not in seeds:
        raise ValueError(f"seed must be in {seeds[0]} .. {seeds[-1]}, got {seed}")
    recovered = []
    for one in seeds if seed is None else [seed]:
        seen = audit(store, run, "c", one)
        if not seen.days:
            continue
        recovered += [(a, one, a not in seen.unrecovered) for a in agents if agent in (None, a)]
    if not recovered:
        raise ValueError(f"run {run.name!r} has no day of scenario c in the store yet")
    return recovered
