"""The process in which one case is prepared and timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.cases import Case
from benchmarks.results import Figures, Rates

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    # On a GPU each process would otherwise take most of the memory at once.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


class WorkerError(Exception):
    """A worker ended before its time."""


class Worker:
    """The process of one case. A context manager; the process ends with it."""

    def __init__(self, case: Case, seconds: float) -> None:
        self._case = case
        command = [sys.executable, "-m", "benchmarks.worker", case.entry_point, json.dumps(case.options), str(seconds)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()

    def prepared(self) -> Figures | None:
        """``num_envs`` and ``start_seconds``, once the work is prepared; None where the machine has no such work."""
        ready: Figures | None = self._answer()
        return ready

    def repeat(self) -> Rates:
        """Time the work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        rates: Rates = self._answer()
        return rates

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"the process of {self._case.name} ended with status {self._process.wait()}")
        return json.loads(line)
