"""Work for the tests of the benchmarks that needs neither JAX nor time to compile."""

import time

from benchmarks.workload import Done, Workload

AUCTIONS_PER_STEP = 200


def pauses(num_envs: int = 1) -> Workload:
    """A millisecond for each unit of work."""

    def run(amount: int) -> Done:
        time.sleep(0.001 * amount)
        return Done(amount * num_envs, AUCTIONS_PER_STEP * amount * num_envs)

    return Workload(num_envs, run)


def impossible() -> None:
    """What this machine does not have."""
