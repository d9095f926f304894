"""A run that is killed at any moment leaves a ledger that verifies, agents that recover, and a run that goes on."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rtb_envs.studies.marketplace.runner import rule_markets
from rtb_envs.studies.marketplace.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
KILLS = 50


@pytest.mark.slow
def test_runs_of_scenario_c_killed_at_random_moments_recover_and_end_as_undisturbed_ones(tmp_path):
    """50 kills that hit the whole 30-day run under way, written day by day; those that came too late do not count."""
    settings = Settings(scenarios="c", db_batch_entries=1)
    markets = {0: rule_markets(settings)(0)}
    (tmp_path / "markets.pickle").write_bytes(pickle.dumps((settings, markets)))
    command = [sys.executable, "-m", "tests.studies.killed", str(tmp_path), str(KILLS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(kill["died"] for kill in kills) == KILLS
    assert len({kill["days"] for kill in kills}) >= 15
    assert [kill for kill in kills if kill["problems"] or not kill["recovered"] or not kill["alike"]] == []


@pytest.mark.slow
def test_a_killed_command_goes_on_and_one_stopped_by_ctrl_c_says_so(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RTB_DB_BATCH_ENTRIES": "1"}
    output = tmp_path / "run.json"
    # 30 days in 15 s of real time, so that there is time to stop it.
    command = [sys.executable, "-m", "rtb_envs.cli", "market", "run", "--scenario", "c", "--output", str(output)]
    paced = [*command, "--acceleration", str(30 * 86_400 / 15)]
    for stop, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        process = subprocess.Popen(paced, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        store = tmp_path / "market.db"
        before = store.stat().st_mtime if store.exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (store.exists() and store.stat().st_mtime > before):
            time.sleep(0.1)
        time.sleep(6)
        process.send_signal(stop)
        _, said = process.communicate()
        assert process.returncode == status, said
        assert not output.exists()
        if stop == signal.SIGINT:
            assert "stopped: the same command goes on from here" in said
            assert "Traceback" not in said
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text())["markets"][0]["figures"]["recovery_rate"] == 1.0
