"""Whether store, model and machine are fit: before a run, and during one."""

from __future__ import annotations

import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from pydantic import ValidationError

from rtb_envs.studies.marketplace.locating import STORE_ERRORS, described, opened, settings_errors
from rtb_envs.studies.marketplace.settings import load_settings
from rtb_envs.studies.marketplace.store import Run, Store

MAX_CPU, MAX_MEMORY = 80.0, 70.0
"""Per cent."""
MAX_QUERY_SECONDS, MAX_MODEL_SECONDS = 0.1, 2.0


def status_lines(store: Store, run: Run) -> list[str]:
    """What a person wants to know of a run under way."""
    settings = run.settings
    days, scenarios = settings["market"]["days"], settings["scenarios"]
    progress = store.progress(run.name)
    done, total = sum(progress.values()), days * len(scenarios) * settings["seeds"]
    seconds = max(run.changed - run.began, 1e-9)
    lines = [f"run {run.name!r}: {run.status}, {done} of {total} days of all markets ({done / total:.0%})"]
    for scenario in scenarios:
        reached = [day for (name, _), day in progress.items() if name == scenario]
        complete, last = sum(day == days for day in reached), max(reached, default=0)
        lines.append(f"scenario {scenario}: day {last} of {days}, {complete} of {settings['seeds']} seeds done")
    lines.append(f"rate: {done / seconds:,.1f} days/s; last change {time.time() - run.changed:,.0f} s ago")
    query = store.query_seconds()
    lines += [
        _against("CPU", psutil.cpu_percent(interval=0.2), MAX_CPU, "%"),
        _against("memory", psutil.virtual_memory().percent, MAX_MEMORY, "%"),
        _against("store query", 1000 * query, 1000 * MAX_QUERY_SECONDS, "ms"),
    ]
    latency = store.model_seconds(run.name)
    if latency is not None:
        lines.append(_against("model call", latency, MAX_MODEL_SECONDS, "s"))
    return lines


def faults(db: str, config: Path | None, *, real_llm: bool) -> list[str]:
    """What stands against a run, a line each; empty where nothing does."""
    found: list[str] = []
    try:
        load_settings(config)
    except ValidationError as error:
        found += settings_errors(error)
    except ValueError as error:
        found.append(str(error))
    try:
        with opened(db) as store:
            store.query_seconds()
    except STORE_ERRORS as error:
        found.append(f"db can not be used: {described(error)}")
    if real_llm:
        from rtb_envs.studies.marketplace.model_client import client_fault

        fault = client_fault()
        found += [] if fault is None else [fault]
    return found


def _against(what: str, value: float, limit: float, unit: str) -> str:
    mark = "ok" if value <= limit else "ABOVE"
    return f"{what}: {value:.1f} {unit} (limit {limit:g} {unit}, {mark})"
