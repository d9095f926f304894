"""How long a saved policy takes for one observation: `python docs/policy_latency.py RUN`, a line for each agent."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import agents
from agents.saved import AGENTS_FOLDER

CALLS, WARM_UP = 20_000, 200


def microseconds(policy: agents.saved.SavedPolicy) -> np.ndarray:
    """Of each call with one observation, after compiling."""
    observation = np.full(policy.policy.spec.observation_shape, 0.5, np.float32)
    for _ in range(WARM_UP):
        policy.act(observation)
    times = np.empty(CALLS)
    for i in range(CALLS):
        begun = time.perf_counter()
        policy.act(observation)
        times[i] = 1e6 * (time.perf_counter() - begun)
    return times


if __name__ == "__main__":
    run = Path(sys.argv[1])
    folder = run / AGENTS_FOLDER
    names = sorted(agent.name for agent in folder.iterdir()) if folder.is_dir() else [None]
    for name in names:
        times = microseconds(agents.load(run, agent=name))
        low, median, high = np.quantile(times, [0.1, 0.5, 0.9])
        print(f"{name or run}: median {median:.0f} µs, central 80 % {low:.0f} to {high:.0f} µs ({CALLS:,} calls)")
