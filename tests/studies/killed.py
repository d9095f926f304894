"""Runs of scenario C killed by SIGKILL at random moments, in processes that never compute with JAX.

Arguments: a folder with markets.pickle (settings and markets), and how many runs must die before their end. Prints a
JSON line for every attempt.
"""

import json
import os
import pickle
import random
import signal
import sys
import time
from pathlib import Path

from rtb_envs.studies.marketplace.dumping import dump_digest
from rtb_envs.studies.marketplace.results import measure
from rtb_envs.studies.marketplace.runner import run_study
from rtb_envs.studies.marketplace.store import Store
from rtb_envs.studies.marketplace.verification import recover_run, verify_run


def run(folder, name, settings, markets):
    """Run to the end in a store of its own."""
    store = Store(folder / f"{name}.db")
    run_study(settings, store, "run", markets=markets.__getitem__)
    return store


def seen(store):
    """What must not depend on interruptions."""
    known = store.find_run("run")
    results = measure(store, known, {})
    return [dump_digest(store, known), json.dumps(results, sort_keys=True)]


def main():
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    settings, markets = pickle.loads((folder / "markets.pickle").read_bytes())
    began = time.monotonic()
    undisturbed = run(folder, "undisturbed", settings, markets)
    duration = time.monotonic() - began
    expected = seen(undisturbed)
    # Processes are forked below: nothing may be held open.
    undisturbed.close()
    rng = random.Random(0)
    for i in range(10 * kills):
        name = f"killed-{i}"
        child = os.fork()
        if child == 0:
            run(folder, name, settings, markets)
            os._exit(0)
        time.sleep(rng.uniform(0, duration))
        os.kill(child, signal.SIGKILL)
        died = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        store = Store(folder / f"{name}.db")
        known = store.find_run("run")
        days, problems, equal = 0, [], True
        if known is not None:
            days = store.progress("run").get(("c", 0), 0)
            problems = verify_run(store, known)[1]
            equal = days == 0 or all(same for *_, same in recover_run(store, known, None, None))
        store.close()
        resumed = run(folder, name, settings, markets)
        alike = seen(resumed) == expected
        resumed.close()
        kills -= died
        print(json.dumps({"died": died, "days": days, "problems": problems, "recovered": equal, "alike": alike}))
        if not kills:
            break


if __name__ == "__main__":
    main()
