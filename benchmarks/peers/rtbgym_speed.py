"""Steps and auctions per second of RTBGym (scope-rl 0.2.1), as JSON on standard output.

Runs inside the virtual environment that run.sh makes, which holds neither JAX nor rtb_envs. Two configurations:

- `registered`: `gym.make("RTBEnv-continuous-v0")`, what RTBGym's documentation starts with: gym's default wrappers and
  a logistic regression that predicts the reward for every auction.
- `oracle`: `RTBEnv(random_state=12345)`, the same instance bidding on the true rates: RTBGym at its fastest.

Both have RTBGym's defaults: 7 steps an episode, search volume Normal(200, 20). The action is the constant 1, and an
episode that ends is followed by `reset()`, inside the timing. The discrete id is left out: where NumPy computes powers
with AVX-512, the smallest of its action meanings is rounded to just below `action_min` and RTBGym refuses it.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import gym
import numpy as np

# `rtbgym` is a top-level package of the scope-rl wheel. Importing it does not run scope_rl's own __init__, which needs
# PyTorch and d3rlpy.
import rtbgym
from threadpoolctl import threadpool_info

RANDOM_STATE = 12345  # that of the instance behind RTBGym's registered ids
BID_MULTIPLIER = np.array([1.0])
WARM_UP_STEPS = 500
DISTRIBUTIONS = ("scope-rl", "gym", "numpy", "scikit-learn", "scipy")


def make_environments() -> dict[str, gym.Env]:
    """Return the environments to measure by configuration name; no two share an RTBEnv."""
    return {
        "registered": gym.make("RTBEnv-continuous-v0"),
        "oracle": rtbgym.RTBEnv(random_state=RANDOM_STATE),
    }


def run(env: gym.Env, steps: int) -> tuple[float, int]:
    """Return the seconds and the auctions that `steps` steps took, resets included."""
    auctions = 0
    env.reset()
    start = time.perf_counter()
    for _ in range(steps):
        _, _, terminated, _, info = env.step(BID_MULTIPLIER)
        auctions += int(info["search_volume"])
        if terminated:
            env.reset()
    return time.perf_counter() - start, auctions


def summary(rates: list[float]) -> dict[str, float]:
    """Return median, minimum and maximum of the repetitions."""
    return {"median": statistics.median(rates), "min": min(rates), "max": max(rates)}


def measure(steps: int, repetitions: int) -> dict[str, dict[str, object]]:
    """Time every configuration `repetitions` times, in turns, so that a slow spell of the machine hits all alike."""
    environments = make_environments()
    for env in environments.values():
        run(env, WARM_UP_STEPS)
    steps_per_second: dict[str, list[float]] = {name: [] for name in environments}
    auctions_per_second: dict[str, list[float]] = {name: [] for name in environments}
    for _ in range(repetitions):
        for name, env in environments.items():
            seconds, auctions = run(env, steps)
            steps_per_second[name].append(steps / seconds)
            auctions_per_second[name].append(auctions / seconds)
    return {
        name: {
            "steps_per_second": summary(steps_per_second[name]),
            "auctions_per_second": summary(auctions_per_second[name]),
        }
        for name in environments
    }


def cpu_model() -> str:
    """Return the processor's name as the operating system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, object]:
    """Return the facts about this machine that a speed depends on, the BLAS kernel of each library included."""
    return {
        "cpu": cpu_model(),
        "logical_cores": os.cpu_count(),
        "load_average_1min": os.getloadavg()[0],
        "platform": platform.platform(),
        "blas": [
            {"version": library["version"], "kernel": library.get("architecture"), "threads": library["num_threads"]}
            for library in threadpool_info()
            if library["user_api"] == "blas"
        ],
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the speed of RTBGym.")
    parser.add_argument("--repetitions", type=int, default=7, help="timed repetitions per configuration, at least 5")
    parser.add_argument("--steps", type=int, default=2100, help="steps per repetition")
    arguments = parser.parse_args()
    if arguments.repetitions < 5:
        parser.error(f"argument --repetitions: got {arguments.repetitions}, takes an integer >= 5")
    if arguments.steps < 1:
        parser.error(f"argument --steps: got {arguments.steps}, takes an integer >= 1")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # gym 0.26 names NumPy's bool8 at the first step
    result = {
        "peer": "RTBGym",
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in DISTRIBUTIONS}},
        "steps_per_repetition": arguments.steps,
        "repetitions": arguments.repetitions,
        "configurations": measure(arguments.steps, arguments.repetitions),
    }
    json.dump(result, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
