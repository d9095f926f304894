"""All markets of the benchmark, each kept in a file, so that a session that was stopped goes on where it was."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.pacing.cells import Cell, run_market
from benchmarks.pacing.fingerprint import of_code, short_hash
from benchmarks.pacing.markets import Market
from benchmarks.pacing.methods import Rule
from benchmarks.pacing.playing import Sizes
from rtb_envs.files import check_writable, write_json
from training.run import RunError

Log = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """A market and all that decides its figures, beside the code."""

    market: Market
    shares: tuple[float, ...]
    rules: tuple[Rule, ...]
    learners: tuple[str, ...]
    sizes: Sizes
    iterations: int

    def settings(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "market": repr(self.market),
            "budget_shares": list(self.shares),
            "rules": [rule.name for rule in self.rules],
            "learners": list(self.learners),
            **asdict(self.sizes),
            "training_iterations": self.iterations,
        }

    def path(self, folder: Path, code: str) -> Path:
        """Where its cells are kept. The name holds a fingerprint of settings and ``code``: what other ones made is
        neither taken for this task's nor overwritten.
        """
        return folder / f"{self.market.name}-{short_hash(code, json.dumps(self.settings()))}.json"


def run(folder: Path, tasks: Sequence[Task], processes: int, log: Log) -> list[Cell]:
    """The cells of every task in their order; those that ``folder`` holds already are read, not run.

    Tasks run side by side in ``processes`` processes. Raises RunError for a folder that cannot be written.
    """
    code = of_code()
    paths = [task.path(folder, code) for task in tasks]
    try:
        check_writable(folder / ".writable")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"folder must be one that can be written, got {str(folder)!r}: {error.strerror}") from None
    missing = [(task, path) for task, path in zip(tasks, paths, strict=True) if not path.exists()]
    if len(missing) < len(tasks):
        log(f"{len(tasks) - len(missing)} of {len(tasks)} markets are there already, in {folder}")
    for number, (task, seconds) in enumerate(_finished(missing, min(processes, len(missing))), 1):
        log(f"{number} of {len(missing)}: {task.market.title}, {len(task.shares)} budgets: {seconds:.0f} s")
    return [cell for path in paths for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]


def _finished(missing: Sequence[tuple[Task, Path]], processes: int) -> Any:
    """Each task as it is finished, and the seconds that it took."""
    if processes < 2:
        for task, path in missing:
            yield task, _run(task, path)
        return
    # Spawned: JAX's threads do not survive a fork.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        # The last markets of the table take longest, so they begin first.
        running = {pool.submit(_run, task, path): task for task, path in reversed(missing)}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run(task: Task, path: Path) -> float:
    """Play ``task`` and keep its cells; the seconds that it took."""
    begun = time.perf_counter()
    try:
        cells = run_market(task.market, task.shares, task.rules, task.learners, task.sizes, task.iterations)
    except Exception as error:
        error.add_note(f"in the market {task.market.name}")
        raise
    write_json(path, {"settings": task.settings(), "cells": cells})
    return time.perf_counter() - begun
