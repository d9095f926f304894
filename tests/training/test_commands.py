import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import agents
from tests.training.guessing import Climber, Guessing, guessing_curriculum
from training import commands, solo
from training.metrics import METRICS, VALIDATION, read_table
from training.progress import ProgressBar
from training.run import RunError, RunFolder
from training.settings import Settings

ITERATIONS = 30


@pytest.fixture(scope="module", autouse=True)
def guessing():
    """Every run of these tests is a climber's in the guessing market, which saves no network."""
    env = Guessing()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solo, "build", lambda settings: (guessing_curriculum(ITERATIONS, 10), Climber(env)))
        patch.setattr(agents, "save", lambda policy, folder: None)
        yield


def settings(folder: Path, **changes) -> Settings:
    sizes = {"validation": {"seeds": 2, "episodes": 3}, "stage1": {"iterations": 1}, "stage2": {"iterations": 1}}
    sizes["evaluation"] = {"seeds": 3, "episodes": 4, "bootstrap_samples": 200}
    return Settings(
        **{"out": folder, "stage3": {"iterations": ITERATIONS - 2}, "chunk_iterations": 5, **sizes, **changes}
    )


def printed(command, *arguments) -> str:
    """What a command prints on a wide screen without colours, its lines not broken."""
    screen = StringIO()
    command(*arguments, Console(file=screen, width=200))
    return screen.getvalue()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run, and what its training printed."""
    folder = tmp_path_factory.mktemp("run") / "out"
    return folder, printed(commands.train, settings(folder))


def test_a_run_leaves_settings_figures_checkpoints_results_and_pictures(finished):
    folder, _ = finished
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    tables = {f"{name}.{suffix}" for name in (METRICS, VALIDATION) for suffix in ("csv", "parquet")}
    pictures = {"learning_curve.png", "value.png"}
    assert names == {"settings.json", "results.json", "checkpoints", "tensorboard", *tables, *pictures}
    assert RunFolder(folder).read_settings() == settings(folder).identity()


def test_training_says_what_it_does_and_what_came_of_it(finished):
    _, text = finished
    assert "ppo on AdAuction-v0, seed 0: curriculum stages 1 to 3, 30 iterations of 8 steps" in text
    assert "compiled the update in" in text
    assert "iteration    30, stage 2: validation score" in text
    assert "trained 240 steps in" in text
    assert "3 held-out seeds of 4 episodes" in text
    assert "[low, high]: 95 % bootstrap intervals over seeds; leads are paired." in text


PACKAGES = ["rtb-envs", "python", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "gymnasium", "numpy"]
FIGURE = {"estimate": float, "low": float, "high": float}
FIGURES = {name: {**FIGURE, "by_seed": [float]} for name in ("value", "share_of_ceiling", "share_of_optimum")}
SCHEMA = {
    "format": int,
    "settings": dict,
    "training": {"iteration": int, "environment_steps": int, "validation_score": float},
    "market": {"env": str, "stage": int, "horizon": int},
    "evaluation": {
        "value": str,
        "seeds": [int],
        "episodes_per_seed": int,
        "bootstrap_samples": int,
        "confidence": float,
        "optimum": float,
        "ceiling": float,
        "methods": [{"name": str, "label": str, "is_learner": bool, "parameters": dict, **FIGURES}],
        "differences": [{"learner": str, "rule": str, **FIGURES}],
    },
    "versions": dict.fromkeys(PACKAGES, str),
    "machine": {"processor": str, "cores": int, "system": str, "devices": [str]},
}


def assert_follows(value, schema, where="results") -> None:
    if isinstance(schema, dict):
        assert value.keys() == schema.keys(), where
        for name, inner in schema.items():
            assert_follows(value[name], inner, f"{where}.{name}")
    elif isinstance(schema, list):
        assert value, where
        for item in value:
            assert_follows(item, schema[0], where)
    else:
        assert type(value) is schema, where


def test_results_have_every_figure_with_its_interval_and_what_they_depend_on(finished):
    folder, _ = finished
    results = json.loads((folder / "results.json").read_text())
    assert_follows(results, SCHEMA)
    assert results["settings"] == settings(folder).identity()
    assert results["evaluation"]["seeds"] == [0, 1, 2]
    learner, random = results["evaluation"]["methods"]
    assert (learner["name"], random["name"]) == ("ppo", "random")
    assert learner["share_of_ceiling"]["estimate"] > 0.9 > random["share_of_ceiling"]["estimate"]


@pytest.mark.parametrize("name", ["learning_curve.png", "value.png"])
def test_pictures_are_large_enough_to_read_and_not_blank(finished, name):
    with Image.open(finished[0] / name) as picture:
        assert picture.width >= 1000
        assert np.asarray(picture.convert("L")).std() > 5


def test_a_finished_run_that_is_started_again_says_so_and_shows_its_results(finished):
    folder, first = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = printed(commands.train, settings(folder))
    assert "is finished; to train anew, remove it or choose another --out" in again
    table = first[first.index("AdAuction-v0, curriculum stage 2") :]
    assert table[: table.index("leads are paired.")] in again
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before[path]} <= {folder / ".lock"}


def test_evaluating_a_run_again_gives_the_same_results(finished):
    folder, _ = finished
    before = (folder / "results.json").read_bytes()
    (folder / "results.json").unlink()
    printed(commands.evaluate, folder)
    assert (folder / "results.json").read_bytes() == before


def test_a_run_that_was_stopped_says_how_to_go_on_and_goes_on(finished, tmp_path, monkeypatch):
    chunks = iter([False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "should_stop", lambda bar: next(chunks))
        text = printed(commands.train, settings(tmp_path))
    assert "stopped and saved after iteration 10; the same command goes on from there" in text
    assert not (tmp_path / "results.json").exists()
    assert read_table(RunFolder(tmp_path), METRICS)["iteration"].to_list() == list(range(1, 11))
    assert "going on after iteration 10" in printed(commands.train, settings(tmp_path))
    ours, theirs = (json.loads((path / "results.json").read_text())["evaluation"] for path in (tmp_path, finished[0]))
    assert ours == theirs


def test_other_settings_do_not_touch_a_run(finished):
    folder, _ = finished
    with pytest.raises(RunError, match="holds a run with seed = 0, this one has 1"):
        printed(commands.train, settings(folder, seed=1))


def test_a_folder_without_a_policy_is_refused(tmp_path):
    RunFolder(tmp_path).claim(settings(tmp_path).identity())
    with pytest.raises(RunError, match="has no policy to evaluate yet"):
        printed(commands.evaluate, tmp_path)


def test_a_folder_with_settings_of_another_version_is_refused(tmp_path):
    RunFolder(tmp_path).claim({**settings(tmp_path).identity(), "momentum": 0.9})
    message = r"holds settings of another version: momentum is no setting; the settings are [\w, ]+$"
    with pytest.raises(RunError, match=message):
        printed(commands.evaluate, tmp_path)
