"""A run from its settings to its results, with a progress bar, and a dashboard that follows it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.comparison import REFRESH_SECONDS, live_page
from rtb_envs.studies.marketplace.model_run import ModelRun
from rtb_envs.studies.marketplace.results import WALL_CLOCK, markets_of, measure, results_of
from rtb_envs.studies.marketplace.runner import Progress, run_study
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store


def whole_run(settings: Settings, store: Store, name: str, dashboard: Path | None = None) -> dict[str, Any]:
    """Run the study and measure it; ``dashboard`` is written anew every few seconds meanwhile."""
    began = time.time()
    model = None if settings.mock_llm else ModelRun(settings, store, name)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"))
    with Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        total = settings.days * len(settings.scenarios) * settings.seeds
        task = bar.add_task("compiling", total=total)
        watcher = None if dashboard is None else _Watcher(store, name, dashboard)

        def listen(progress: Progress) -> None:
            where = f"scenario {progress.scenario}, seed {progress.seed}"
            bar.update(task, advance=1, description=f"{where} (in the store)" if progress.resumed else where)
            if watcher is not None:
                watcher.refresh()

        run_study(settings, store, name, listen, None if model is None else model.markets)
        bar.update(task, description="measuring")
        known = store.find_run(name)
        assert known is not None
        results = measure(store, known, {"began": began, "seconds": time.time() - began})
    if model is not None:
        results[WALL_CLOCK]["model"] = model.report(results)
    return results


class _Watcher:
    """Writes the dashboard of what is in the store, now and then."""

    def __init__(self, store: Store, run: str, path: Path) -> None:
        self._store, self._run, self._path, self._last = store, run, path, 0.0

    def refresh(self) -> None:
        """Write the page, if the last one is old enough and there is something to show."""
        if time.monotonic() - self._last < REFRESH_SECONDS:
            return
        run = self._store.find_run(self._run)
        progress = self._store.progress(self._run)
        assert run is not None
        scenarios = run.settings["scenarios"]
        begun = [seed for _, seed in markets_of(run) if all((scenario, seed) in progress for scenario in scenarios)]
        if begun:
            audits = [audit(self._store, run, scenario, max(begun)) for scenario in scenarios]
            live_page(results_of(run, audits, {}), min(seen.days for seen in audits)).write(self._path)
        self._last = time.monotonic()
