import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import agents
from training.__main__ import app

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "env_options": {
        "n_ads": 4, "n_users": 4, "horizon": 3, "search_volume_mean": 20.0, "search_volume_std": 2.0,
        "max_auctions": 16, "initial_budget": 300, "day_curve": False,
    },
    "hyperparameters": {"num_envs": 16, "num_steps": 3, "num_minibatches": 2, "num_epochs": 2, "hidden_sizes": [8]},
    "chunk_iterations": 2,
    "stage1": {"iterations": 5},
    "stage2": {"iterations": 6},
    "stage3": {"iterations": 13},
    "validation": {"seeds": 2, "episodes": 4, "every_chunks": 2},
    "evaluation": {"seeds": 3, "episodes": 4, "bootstrap_samples": 200},
}  # fmt: skip


ONE_STAGE = ["train", "--curriculum", "1"]


@pytest.fixture
def config(tmp_path):
    """A YAML file (JSON is YAML) of a run as small as can be."""
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps(TINY), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--curriculum", "4"], "curriculum must be at most 3, got '4'"),
        (["train", "--seed", "one"], "seed must be an integer"),
        (["train", "--env", "Chess-v0"], "env must be one of AdAuction-v0, "),
        (["train", "--algo", "dreaming"], "algo must be one of "),
        (["train", "--config", "missing.yaml"], "config missing.yaml cannot be read"),
        (
            ["train", "--set", "stage1.speed=3"],
            "stage1.speed is no setting; the settings are options, iterations, thres",
        ),
        (
            ["train", "--set", "env_options.n_ads=0"],
            "env AdAuction-v0: n_ads must be an integer in [1, 1000000], got 0",
        ),
        (["train", "--set", "env_options.adds=1"], "env AdAuction-v0: unknown option 'adds'"),
        ([*ONE_STAGE, "--set", "hyperparameters.num_envs=-3"], "algo ppo: num_envs must be an integer in [1, "),
        ([*ONE_STAGE, "--set", "hyperparameters.rate=1"], "algo ppo: hyperparameters of ppo must be among num_envs, "),
        (["evaluate", "nowhere"], "nowhere is not the folder of a run"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_with_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_both_commands_explain_themselves():
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert "train" in shown.stdout
    assert "evaluate" in shown.stdout


def start(config: Path, out: Path) -> subprocess.Popen[str]:
    """The tiny training as a user would start it."""
    program = [sys.executable, "-m", "training", "train", "--config", str(config), "--out", str(out)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RTB_STAGE")}
    return subprocess.Popen(
        program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(condition, process) -> None:
    while not condition() and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.slow
def test_ppo_that_is_killed_stopped_and_started_again_ends_as_if_it_had_never_been(config, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    text, _ = (process := start(config, whole)).communicate()
    assert process.returncode == 0, text

    checkpoints = broken / "checkpoints" / "last"
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        process = start(config, broken)
        seen = set(checkpoints.iterdir()) if checkpoints.exists() else set()
        wait_for(lambda seen=seen: checkpoints.exists() and set(checkpoints.iterdir()) - seen, process)
        process.send_signal(number)
        text, _ = process.communicate()
        assert process.returncode == code, text
    assert "the same command goes on from there" in text
    text, _ = (process := start(config, broken)).communicate()
    assert process.returncode == 0, text

    results = [json.loads((out / "results.json").read_text()) for out in (whole, broken)]
    assert results[0] == results[1]
    assert {method["name"] for method in results[0]["evaluation"]["methods"]} == {
        "ppo", "random", "linear", "pid", "adaptive_pacing"
    }  # fmt: skip
    assert (whole / "policy.npz").read_bytes() == (broken / "policy.npz").read_bytes()
    assert (whole / "spend.png").exists()
    low, high = 0.1, 10.0
    action = agents.load(broken).act(np.array([0, 300, 0, 0, 0, 0, 1], np.float32))
    assert action.shape == (1,)
    assert low <= action[0] <= high
