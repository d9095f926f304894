"""Figures by day as a table for other tools."""

from __future__ import annotations

from pathlib import Path

import polars

from rtb_envs.files import write_atomically, write_parquet
from rtb_envs.studies.marketplace.audit import audit
from rtb_envs.studies.marketplace.results import markets_of
from rtb_envs.studies.marketplace.store import Run, Store


def export_days(store: Store, run: Run, output: Path) -> int:
    """Write a row for each market and day of ``run`` to a .csv or .parquet file; how many there are."""
    frames = []
    for scenario, seed in markets_of(run):
        seen = audit(store, run, scenario, seed)
        by_day = {name: column[: seen.days] for name, column in seen.figures["by_day"].items()}
        frame = polars.DataFrame({"day": range(1, seen.days + 1), **by_day})
        frames.append(
            frame.select(polars.lit(scenario).alias("scenario"), polars.lit(seed).alias("seed"), polars.all())
        )
    table = polars.concat(frames, how="vertical_relaxed")
    if output.suffix == ".csv":
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, table.write_csv)
    else:
        write_parquet(table, output)
    return len(table)
