"""A session of measurements: all cases prepared one after the other, then timed in turns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.process import ROOT, Worker
from benchmarks.results import Figures, Rates, measurement, ratio, summary
from benchmarks.rtbgym import CONFIGURATIONS, RTBGym

Log = Callable[[str], None]


def measure(cases: Sequence[Case], repetitions: int, seconds: float, peers: Path | None, log: Log) -> Figures:
    """Rates of every case in ``repetitions`` turns of about ``seconds`` each.

    With ``peers``, a virtual environment's folder, each turn measures RTBGym as well. ``log`` is told what happens.
    """
    turns: dict[str, list[Rates]] = {}
    prepared: dict[str, Figures] = {}
    rtbgym = None
    if peers is not None:
        log(f"preparing RTBGym in {peers}")
        rtbgym = RTBGym(peers)
        turns |= {name: [] for name in CONFIGURATIONS}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for case in cases:
            worker = stack.enter_context(Worker(case, seconds))
            ready = worker.prepared()
            if ready is None:
                log(f"{case.name}: not on this machine")
                continue
            log(f"{case.name}: ready to run after {ready['start_seconds']:.1f} s")
            prepared[case.name], workers[case.name], turns[case.name] = ready, worker, []
        for turn in range(1, repetitions + 1):
            log(f"repetition {turn} of {repetitions}")
            for name, worker in workers.items():
                turns[name].append(worker.repeat())
            for name, rates in rtbgym.repeat().items() if rtbgym is not None else ():
                turns[name].append(rates)
    return {
        "repetitions": repetitions,
        "seconds_per_repetition": seconds,
        "measurements": [
            measurement(case.name, case.title, turns=turns[case.name], **prepared[case.name])
            for case in cases
            if case.name in prepared
        ],
        # The first may still have to compile modules to bytecode.
        "import_seconds": summary([_import_seconds() for _ in range(1 + repetitions)][1:]),
        "rtbgym": None if rtbgym is None else _against(rtbgym, cases, turns),
    }


def _against(rtbgym: RTBGym, cases: Sequence[Case], turns: dict[str, list[Rates]]) -> Figures:
    return {
        "versions": rtbgym.versions,
        "measurements": [measurement(name, title, 1, None, turns[name]) for name, title in CONFIGURATIONS.items()],
        "ratios": [
            {"name": case.name, "configuration": name, **ratio(turns[case.name], turns[name])}
            for case in cases
            if case.is_compared and case.name in turns
            for name in CONFIGURATIONS
        ],
    }


def _import_seconds() -> float:
    """Seconds that ``import rtb_envs`` takes in a fresh interpreter."""
    program = "import time; begun = time.perf_counter(); import rtb_envs; print(time.perf_counter() - begun)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)
