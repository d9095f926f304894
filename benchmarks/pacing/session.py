"""All cells of the benchmark, each kept in a file, so that a session that was stopped goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pacing.cells import run_cell
from benchmarks.pacing.markets import Market
from benchmarks.pacing.methods import Rule
from benchmarks.pacing.playing import Sizes
from rtb_envs.files import write_json
from training.run import RunError

Log = Callable[[str], None]


def run(
    folder: Path,
    markets: Sequence[Market],
    budget_shares: Sequence[float],
    rules: Sequence[Rule],
    learners: Sequence[str],
    sizes: Sizes,
    iterations: int,
    log: Log,
) -> list[dict[str, Any]]:
    """Every market at every budget; cells that ``folder`` holds already are read, not run.

    Raises RunError for a folder that holds cells of other methods or sizes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder / "settings.json", settings_of(rules, learners, sizes, iterations))
    cells = []
    pairs = [(market, share) for market in markets for share in budget_shares]
    for number, (market, share) in enumerate(pairs, 1):
        path = folder / f"{market.name}-{round(1 / share)}.json"
        if not path.exists():
            begun = time.perf_counter()
            cell = run_cell(market, share, rules, learners, sizes, iterations)
            write_json(path, {**cell, "seconds": time.perf_counter() - begun})
            log(
                f"{number} of {len(pairs)}: {market.title}, budget 1/{round(1 / share)}: "
                f"{time.perf_counter() - begun:.0f} s"
            )
        cells.append(json.loads(path.read_text(encoding="utf-8")))
    return cells


def settings_of(rules: Sequence[Rule], learners: Sequence[str], sizes: Sizes, iterations: int) -> dict[str, Any]:
    """What decides the figures of a cell, as JSON values."""
    return {
        "rules": [rule.name for rule in rules],
        "learners": list(learners),
        "seeds": sizes.seeds,
        "episodes_per_seed": sizes.episodes,
        "tuning_episodes": sizes.tuning_episodes,
        "training_iterations": iterations,
    }


def _claim(path: Path, settings: dict[str, Any]) -> None:
    if not path.exists():
        write_json(path, settings)
    there = json.loads(path.read_text(encoding="utf-8"))
    for name, value in settings.items():
        if there.get(name) != value:
            raise RunError(
                f"{path.parent} holds a benchmark with {name} = {there.get(name)!r}, this one has {value!r}: choose "
                "another folder or remove it"
            )
