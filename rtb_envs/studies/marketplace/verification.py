"""A whole run held against its chains, against the ends written in its results, and against the live states."""

from __future__ import annotations

from pathlib import Path

from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.entries import buyer_name, seller_name
from rtb_envs.studies.marketplace.results import end_of, market_of, markets_of, read_results
from rtb_envs.studies.marketplace.store import Run, Store


def verify_run(store: Store, run: Run, results: Path | None = None) -> tuple[int, list[str]]:
    """How many entries were read, and what is wrong, a sentence each.

    With ``results`` every market must have ended as they say, and measure what they say; without them a market that
    has not been written to its end is no fault. Wall-clock times and costs of a model in the results are not covered.
    """
    written = None if results is None else read_results(results)
    problems = store.row_faults(run.name)
    if any("settings" in problem for problem in problems):
        return 0, problems  # nothing else can be understood
    markets = markets_of(run)
    told = {} if written is None else {(m["scenario"], m["seed"]): m for m in written["markets"]}
    if written is not None and (written["run"], written["settings"]) != (run.name, run.settings):
        problems.append(f"the results are those of another run, {written['run']!r}")
    strange = store.entry_markets(run.name) - set(markets)
    problems += [f"scenario {s}, seed {n} does not belong to the run" for s, n in sorted(strange, key=str)]
    problems += [f"scenario {s}, seed {n} is in the results but not in the run" for s, n in told.keys() - set(markets)]
    if written is not None:
        problems += [f"scenario {s}, seed {n} is not in the results" for s, n in set(markets) - told.keys()]
    count = 0
    for scenario, seed in markets:
        expected = told.get((scenario, seed))
        seen = audit(store, run, scenario, seed, None if expected is None else end_of(expected))
        count += seen.end.count
        found = list(seen.problems)
        if not found and expected is not None and market_of(seen) != expected:
            found.append("the figures in the results are not those of the rows")
        if run.status == "complete" and seen.days < run.settings["market"]["days"]:
            found.append(f"only {seen.days} days of a complete run are there")
        problems += [f"scenario {scenario}, seed {seed}: {problem}" for problem in found]
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
