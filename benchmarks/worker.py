"""A process that prepares one workload and times it whenever it is told to.

    python -m benchmarks.worker MODULE:FUNCTION OPTIONS SECONDS

OPTIONS are the function's arguments as a JSON object; SECONDS is about how long a repetition should take. The process
answers in lines of JSON: how it is prepared, then the rates of one repetition for each line that it reads. Where the
machine has no such workload, the one answer is null.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import time
from typing import Any

from benchmarks.workload import Workload


def main() -> None:
    entry_point, options, seconds = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
    module, _, name = entry_point.partition(":")
    prepare = getattr(importlib.import_module(module), name)
    begun = time.perf_counter()
    workload: Workload | None = prepare(**options)
    if workload is None:
        return _tell(None)
    workload.run(1)
    start_seconds = time.perf_counter() - begun
    amount = _amount(workload, seconds)
    _tell({"num_envs": workload.num_envs, "start_seconds": start_seconds})
    for _ in sys.stdin:
        _tell(_rates(workload, amount))


def _amount(workload: Workload, seconds: float) -> int:
    """The amount of work that takes about ``seconds``; to find it warms the process up."""
    amount = 1
    while True:
        begun = time.perf_counter()
        workload.run(amount)
        taken = time.perf_counter() - begun
        if taken >= seconds / 2:
            return max(1, math.ceil(amount * seconds / taken))
        amount *= 2


def _rates(workload: Workload, amount: int) -> dict[str, float | None]:
    begun = time.perf_counter()
    done = workload.run(amount)
    seconds = time.perf_counter() - begun
    return {
        "steps_per_second": done.environment_steps / seconds,
        "auctions_per_second": None if done.auctions is None else done.auctions / seconds,
    }


def _tell(answer: dict[str, Any] | None) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
