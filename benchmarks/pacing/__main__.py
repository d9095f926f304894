"""The command line: ``python -m benchmarks.pacing``.

Exit codes: 0 done, 1 the folder cannot be used, 2 wrong arguments.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agents import registry
from benchmarks import report
from benchmarks.pacing import markets, methods, pictures, session, summary, tables
from benchmarks.pacing.playing import Sizes
from rtb_envs.files import write_json
from training import system
from training.run import RunError

FAILED, REFUSED = 1, 2
QUICK = {"seeds": 2, "episodes": 8, "tuning_episodes": 8}
QUICK_MARKETS, QUICK_RULES, QUICK_BUDGETS = ("rtbgym",), ("linear", "pid", "random"), (1 / 4, 1 / 16)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    folder: Annotated[Path, typer.Option(help="Where finished parts are kept; run again, it goes on.")] = (
        Path("runs/benchmark")
    ),
    write: Annotated[Path | None, typer.Option(help="Write benchmark_pacing.json and the pictures here.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="A market; may be repeated. All if left out.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="A rule; may be repeated. All if left out.")] = None,
    learner: Annotated[list[str] | None, typer.Option(help="A learner; may be repeated. All if left out.")] = None,
    iterations: Annotated[int, typer.Option(help="Updates that a learner is trained for in each task.")] = 30,
    quick: Annotated[bool, typer.Option("--quick", help="One small market and three rules, in a minute.")] = False,
) -> None:
    """Play every rule and learner in every market at every budget, and say how they compare."""
    console, log = Console(), Console(stderr=True, highlight=False, markup=False)
    begun = time.perf_counter()
    try:
        chosen = markets.by_name(list(market or (QUICK_MARKETS if quick else ())) or None)
        rules = methods.by_name(list(rule or (QUICK_RULES if quick else ())) or None)
        learners = learner if learner is not None else ([] if quick else registry.learners())
        for name in learners:
            if name not in registry.learners():
                raise ValueError(f"learner must be one of {', '.join(registry.learners())}; got {name!r}")
        if iterations < 1:
            raise ValueError(f"iterations must be at least 1, got {iterations}")
        if write is not None and not write.is_dir():
            raise ValueError(f"write must be a folder that exists, got {str(write)!r}")
    except ValueError as error:
        log.print(f"error: {error}", style="red")
        raise typer.Exit(REFUSED) from None
    sizes = Sizes(**QUICK) if quick else Sizes()
    shares = QUICK_BUDGETS if quick else markets.BUDGET_SHARES
    try:
        cells = session.run(folder, chosen, shares, rules, learners, sizes, iterations, log.print)
    except RunError as error:
        log.print(f"error: {error}", style="red")
        raise typer.Exit(FAILED) from None
    found: dict[str, Any] = {
        **system.describe(),
        "settings": session.settings_of(rules, learners, sizes, iterations),
        "seconds": sum(cell["seconds"] for cell in cells),
        "summary": summary.summarize(cells),
    }
    for grid in tables.grids(found["summary"]):
        console.print(report.screen(grid))
    if write is not None:
        write_json(write / "benchmark_pacing.json", {**found, "cells": cells})
        drawn = pictures.draw(write / "_static", found["summary"])
        log.print(f"wrote benchmark_pacing.json and {', '.join(drawn)} into {write}")
    log.print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    app()
