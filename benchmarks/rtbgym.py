"""RTBGym, the simulator that AdAuction's model comes from, measured in a virtual environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.results import RATES, Rates

SCRIPT = Path(__file__).resolve().parent / "peers" / "run.sh"
CONFIGURATIONS = {
    "registered": 'RTBGym, gym.make("RTBEnv-continuous-v0")',
    "oracle": "RTBGym, RTBEnv(random_state=12345), which knows the true rates",
}
MINIMUM_REPETITIONS = 5
"""The fewest that the script takes; a turn's rate is their median."""


class PeerError(Exception):
    """The script failed; the message holds the end of what it said."""


class RTBGym:
    """The script, run anew in every turn; ``venv`` is made by the first run if it does not exist."""

    def __init__(self, venv: Path, steps: int = 700) -> None:
        self._venv, self._steps = venv.resolve(), steps
        self.versions: dict[str, str] = self._run(steps=1)["versions"]

    def repeat(self) -> dict[str, Rates]:
        """The rates of each of ``CONFIGURATIONS``."""
        configurations = self._run(self._steps)["configurations"]
        return {name: {unit: configurations[name][unit]["median"] for unit in RATES} for name in CONFIGURATIONS}

    def _run(self, steps: int) -> dict[str, Any]:
        command = [str(SCRIPT), str(self._venv), "--repetitions", str(MINIMUM_REPETITIONS), "--steps", str(steps)]
        # gym greets every run with a page of warnings, so standard error is shown only where it explains a failure.
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise PeerError(f"{SCRIPT.name} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result
