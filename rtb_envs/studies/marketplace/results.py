"""The results of a run: one JSON document, measured from the rows of the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rtb_envs.files import write_json
from rtb_envs.studies.marketplace.audit import Audit, End, audit
from rtb_envs.studies.marketplace.measures import Measures
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Run, Store

FORMAT = "rtb-envs marketplace results 2"
WALL_CLOCK = "wall_clock"
"""The one part that differs between two runs of the same settings."""


def measure(store: Store, run: Run, wall_clock: dict[str, Any]) -> dict[str, Any]:
    """The results of ``run``. Raises ValueError where a chain does not verify: no figures from tampered rows."""
    audits = [audit(store, run, scenario, seed) for scenario, seed in markets_of(run)]
    problems = [f"scenario {a.scenario}, seed {a.seed}: {problem}" for a in audits for problem in a.problems]
    if problems:
        raise ValueError(f"the ledger of run {run.name!r} does not verify: {problems[0]} ({len(problems)} in all)")
    return results_of(run, audits, wall_clock)


def results_of(run: Run, audits: list[Audit], wall_clock: dict[str, Any]) -> dict[str, Any]:
    """The document of ``audits``, those of one run."""
    return {
        "format": FORMAT,
        "run": run.name,
        "settings": run.settings,
        "markets": [market_of(one) for one in audits],
        WALL_CLOCK: wall_clock,
    }


def markets_of(run: Run) -> list[tuple[str, int]]:
    """Every (scenario, seed) of ``run``."""
    first, count = run.settings["seed"], run.settings["seeds"]
    return [(scenario, seed) for scenario in run.settings["scenarios"] for seed in range(first, first + count)]


def end_of(market: dict[str, Any]) -> End:
    """Where a market ended when the results were written."""
    return End(market["entries"], market["head"], market["seal"])


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write the document, whole or not at all; folders above are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, results)


def read_results(path: Path) -> dict[str, Any]:
    """The document at ``path``. Raises ValueError for anything else."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"results must be a file written by `rtb market run`, but {path} is not there") from None
    except (OSError, ValueError) as error:
        raise ValueError(
            f"results must be a file written by `rtb market run`, but {path} can not be read: {error}"
        ) from None
    except RecursionError:
        results = None
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise ValueError(f"results must be a file written by `rtb market run`, got {path}")
    if (fault := _fault(results)) is not None:
        raise ValueError(f"results must be a file written by `rtb market run`, but in {path} {fault}")
    return results


def _fault(results: dict[str, Any]) -> str | None:
    """What a document lacks that every use of it reads."""
    try:
        settings = Settings.of_fingerprint(results["settings"])
    except (KeyError, TypeError, ValueError):
        return "settings are not those of a run"
    if not isinstance(results.get("run"), str) or not isinstance(results.get(WALL_CLOCK), dict):
        return f"run and {WALL_CLOCK} are not what they should be"
    figures = _kinds({**Measures(1).figures("a"), "recovery_rate": 0.0, "decided": 0, "escalated": 0, "refused": 0})
    like = {"scenario": str, "seed": int, "entries": int, "head": str, "seal": str, "figures": dict}
    markets = results.get("markets")
    if not isinstance(markets, list) or not all(isinstance(market, dict) for market in markets):
        return "markets are not a list of them"
    seeds = range(settings.seed, settings.seed + settings.seeds)
    if [(m.get("scenario"), m.get("seed")) for m in markets] != [(s, n) for s in settings.scenarios for n in seeds]:
        return "markets are not those of the settings"
    for number, market in enumerate(markets):
        if _kinds(market) != like or _kinds(market["figures"]) != figures:
            return f"market {number} is not what it should be"
    return None


def _kinds(document: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in document.items()}


def campaign_days(settings: dict[str, Any]) -> int:
    """Campaigns times days of a market."""
    market = settings["market"]
    return int(market["buyers"] * market["campaigns_per_buyer"] * market["days"])


def market_of(one: Audit) -> dict[str, Any]:
    """What the document says of a market."""
    figures = {**one.figures, "recovery_rate": one.recovery_rate, **one.decisions}
    return {
        "scenario": one.scenario,
        "seed": one.seed,
        "entries": one.end.count,
        "head": one.end.head,
        "seal": one.end.seal,
        "figures": figures,
    }
