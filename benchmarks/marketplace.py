"""How fast the marketplace study runs: `python -m benchmarks.marketplace`.

Prints the time of the whole command with an empty compilation cache, that of the dynamics of 1,000 seeds, and the
entries a second that are built, hashed and written to SQLite.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs.envs.marketplace import Options, compiled_days
from rtb_envs.studies.marketplace.runner import rule_markets, run_study
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store

SEEDS, SEEDS_AT_ONCE = 1_000, 250
LEDGER_SEEDS = 5


def command_seconds(folder: Path) -> float:
    """Seconds of `rtb market run` for 30 days of all scenarios in a fresh process, compilation included."""
    environment = {**os.environ, "RTB_ENVS_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "rtb_envs.cli", "market", "run", "--output", str(folder / "run.json")]
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - began


def dynamics_seconds() -> float:
    """Seconds of 30 days of all scenarios for ``SEEDS`` seeds, compilation included."""
    options = Options()
    began = time.perf_counter()
    run = compiled_days(options.config())
    for first in range(0, SEEDS, SEEDS_AT_ONCE):
        keys = jax.vmap(jax.random.key)(jnp.arange(first, first + SEEDS_AT_ONCE))
        np.asarray(run(keys, jnp.arange(3), options.params()).deals)
    return time.perf_counter() - began


def entries_per_second(folder: Path) -> float:
    """Entries a second from computed markets to committed rows, over ``LEDGER_SEEDS`` seeds of all scenarios."""
    settings = Settings(seeds=LEDGER_SEEDS)
    play = rule_markets(settings)
    markets = {seed: play(seed) for seed in range(LEDGER_SEEDS)}
    store = Store(folder / "ledger.db")
    began = time.perf_counter()
    run_study(settings, store, "run", markets=markets.__getitem__)
    seconds = time.perf_counter() - began
    count = sum(store.days("run", scenario, seed)[-1][0].entries for scenario in "abc" for seed in range(LEDGER_SEEDS))
    store.close()
    return count / seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"30 days of A, B and C, ledger written, results measured: {command_seconds(folder):.1f} s")
        print(f"dynamics of {SEEDS:,} seeds of A, B and C: {dynamics_seconds():.1f} s")
        print(f"ledger entries written to SQLite: {entries_per_second(folder):,.0f} entries/s")


if __name__ == "__main__":
    main()
