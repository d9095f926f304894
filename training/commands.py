"""What the commands do: train a run to its end, and evaluate it."""

from __future__ import annotations

import time
from pathlib import Path

import jax
from rich.console import Console

from agents.registry import Learner
from rtb_envs.files import write_json
from training import report, system
from training.interruption import Interruption
from training.loading import ConfigurationError, of_run
from training.metrics import VALIDATION, read_table
from training.progress import ProgressBar
from training.run import RunError, RunFolder
from training.settings import Settings
from training.solo import Solo
from training.task import Task
from training.teams import TeamTask
from training.trainer import Trainer, restore_best
from training.updates import lane_devices


def train(settings: Settings, console: Console) -> bool:
    """Train the run of these settings to its end and evaluate it; False when it was interrupted before.

    Raises ConfigurationError or RunError, before anything is written, for settings or a folder that cannot serve.
    """
    folder = RunFolder(settings.run_folder)
    task = _task(settings)
    with folder.locked():
        folder.claim(settings.identity())
        if folder.results.exists():
            console.print(f"{folder.path} is finished; to train anew, remove it or choose another --out")
            console.print(task.table(folder.read_results()))
            return True
        if not train_task(settings, task, folder, console):
            return False
        _evaluate(settings, task, folder, console)
    return True


def train_task(settings: Settings, task: Task, folder: RunFolder, console: Console) -> bool:
    """Train a run to its end in its folder, which the caller has locked and claimed; False when it was interrupted."""
    stages, learner = task.curriculum, task.learner
    console.print(
        f"{task.title}, seed {settings.seed}: curriculum stages 1 to {settings.curriculum}, "
        f"{settings.iterations:,} iterations of {learner.steps_per_update:,} steps, "
        f"on {_devices(learner)}, in {folder.path}"
    )
    with Interruption() as interruption, ProgressBar(console, stages, interruption) as bar:
        progress = Trainer(learner, stages, task.validator(), settings, folder, bar).run()
    if not progress.finished:
        console.print(f"stopped and saved after iteration {progress.iteration}; the same command goes on from there")
        return False
    console.print(
        f"trained {progress.iteration * learner.steps_per_update:,} steps in {progress.seconds:.0f} s, compilation "
        f"({progress.compile_seconds:.0f} s) and validation apart"
    )
    return True


def _devices(learner: Learner) -> str:
    """What the learner's lanes are spread over."""
    lanes = [own.settings.num_envs for own in getattr(learner, "learners", [learner])]
    used, all_devices = lane_devices(*lanes), jax.devices()
    names = ", ".join(map(str, used))
    if len(used) == len(all_devices):
        return names
    numbers = " and ".join(f"{number:,}" for number in sorted(set(lanes)))
    return f"{names} ({len(used)} of {len(all_devices)} devices, to split {numbers} lanes evenly)"


def evaluate(path: Path, console: Console) -> None:
    """Evaluate the best policy of a run so far, and write its results and pictures anew.

    Raises RunError for a folder that holds no run or no policy yet, or whose settings this version does not take.
    """
    folder = RunFolder(path)
    settings = of_run(folder)
    try:
        task = _task(settings)
    except ConfigurationError as error:
        raise RunError(f"{folder.settings} holds settings that cannot be used: {error}") from None
    with folder.locked():
        _evaluate(settings, task, folder, console)


def _task(settings: Settings) -> Task:
    return TeamTask(settings) if settings.is_team else Solo(settings)


def _evaluate(settings: Settings, task: Task, folder: RunFolder, console: Console) -> None:
    """Judge the best policy beside every rule in the market of the last stage; the results file comes last."""
    try:
        state, progress = restore_best(task.learner, task.curriculum, settings, folder)
    except FileNotFoundError as error:
        raise RunError(f"{folder.path} has no policy to evaluate yet: {error}") from None
    saved = task.save(state, folder.path)
    begun = time.perf_counter()
    with console.status("evaluating in held-out markets"):
        figures = task.evaluate(state)
    console.print(f"evaluated in held-out markets in {time.perf_counter() - begun:.0f} s")
    with console.status("recording an episode"):
        recorded = task.record(state, folder.path)
    results = {
        "format": report.FORMAT,
        "settings": settings.identity(),
        "training": {
            "iteration": progress.iteration,
            "environment_steps": progress.iteration * task.learner.steps_per_update,
            "validation_score": progress.best_score,
        },
        **figures,
        **system.describe(),
    }
    drawn = task.draw(folder, results, read_table(folder, VALIDATION))
    write_json(folder.results, results)
    console.print(task.table(results))
    console.print(f"in {folder.path}: {', '.join([folder.results.name, *saved, *recorded, *drawn])}")
