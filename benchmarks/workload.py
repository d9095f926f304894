"""What a piece of work that can be timed looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Done(NamedTuple):
    """What some work amounted to; ``auctions`` is None where they are not counted."""

    environment_steps: int
    auctions: int | None


class Workload(NamedTuple):
    """``run(amount)``, amount >= 1, does so much of the work in ``num_envs`` environments and waits for its end."""

    num_envs: int
    run: Callable[[int], Done]
