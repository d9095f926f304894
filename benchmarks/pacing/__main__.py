"""The command line: ``python -m benchmarks.pacing``.

Exit codes: 0 done, 1 the folder cannot be used, 2 wrong arguments.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agents import registry
from benchmarks import report
from benchmarks.pacing import markets, methods, pictures, session, summary, tables
from benchmarks.pacing.cells import Cell
from benchmarks.pacing.playing import Sizes
from rtb_envs import validation
from rtb_envs.files import write_text
from training import system
from training.run import RunError

FAILED, REFUSED = 1, 2
QUICK = Sizes(seeds=2, episodes=8, tuning_episodes=8)
QUICK_MARKETS, QUICK_RULES, QUICK_BUDGETS = ["rtbgym"], ["linear", "pid", "random"], (1 / 4, 1 / 16)
MOST_PROCESSES = 1024
FILE_COLUMNS = 160
"""Of tables that go into a file or a pipe."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    folder: Annotated[Path, typer.Option(help="Where finished markets are kept; run again, it goes on.")] = (
        Path("runs/benchmark")
    ),
    write: Annotated[Path | None, typer.Option(help="Write benchmark_pacing.json and the pictures here.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="A market; may be repeated. All if left out.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="A rule; may be repeated. All if left out.")] = None,
    learner: Annotated[list[str] | None, typer.Option(help="A learner; may be repeated. All if left out.")] = None,
    iterations: Annotated[int, typer.Option(help="Updates that a learner is trained for in each market.")] = 30,
    processes: Annotated[int | None, typer.Option(help="Markets played side by side; as many as cores.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One small market and three rules, in a minute.")] = False,
) -> None:
    """Play every rule and learner in every market at every budget, and say how they compare."""
    log = Console(stderr=True, highlight=False, markup=False)
    # A file has room for the widest table, which a narrow screen cuts.
    console = Console(width=None if sys.stdout.isatty() else FILE_COLUMNS)
    begun = time.perf_counter()
    try:
        tasks = _tasks(market, rule, learner, iterations, quick)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        at_once = validation.integer("processes", cores if processes is None else processes, 1, MOST_PROCESSES)
        if write is not None and not (write.is_dir() and os.access(write, os.W_OK)):
            raise ValueError(f"write must be a folder that exists and can be written, got {str(write)!r}")
    except ValueError as error:
        log.print(f"error: {error}", style="red")
        raise typer.Exit(REFUSED) from None
    try:
        cells = session.run(folder, tasks, at_once, log.print)
    except RunError as error:
        log.print(f"error: {error}", style="red")
        raise typer.Exit(FAILED) from None
    found: dict[str, Any] = {
        **system.describe(),
        "settings": [task.settings() for task in tasks],
        "seconds": sum(cell["seconds"] for cell in cells),
        "summary": summary.summarize(cells),
    }
    for grid in tables.grids(found["summary"]):
        console.print(report.screen(grid))
    if write is not None:
        write_text(write / "benchmark_pacing.json", _a_line_each(found, cells))
        drawn = pictures.draw(write / "_static", found["summary"])
        log.print(f"wrote benchmark_pacing.json and {', '.join(drawn)} into {write}")
    log.print(f"{time.perf_counter() - begun:.0f} s")


def _a_line_each(found: dict[str, Any], cells: list[Cell]) -> str:
    """JSON of what was found: a line for each of its entries and for each cell, not one for every number."""
    heads = [f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in found.items()]
    rows = ",\n".join(json.dumps(cell, allow_nan=False) for cell in cells)
    return "{\n" + ",\n".join([*heads, f'"cells": [\n{rows}\n]']) + "\n}\n"


def _tasks(
    market: list[str] | None, rule: list[str] | None, learner: list[str] | None, iterations: int, quick: bool
) -> list[session.Task]:
    """What is asked for; ValueError for an unknown name or a wrong number."""
    chosen = markets.by_name(market or (QUICK_MARKETS if quick else None))
    rules = methods.by_name(rule or (QUICK_RULES if quick else None))
    learners = learner or ([] if quick else registry.learners())
    for name in learners:
        validation.choice("learner", name, registry.learners())
    validation.integer("iterations", iterations, 1, 1_000_000)
    shares = QUICK_BUDGETS if quick else markets.BUDGET_SHARES
    return [
        session.Task(one, shares, tuple(rules), tuple(learners), QUICK if quick else one.sizes(), iterations)
        for one in chosen
    ]


if __name__ == "__main__":
    app()
