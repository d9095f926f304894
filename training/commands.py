"""What the commands do: train a run to its end, and evaluate it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
from pydantic import ValidationError
from rich.console import Console

import agents
from agents import registry
from agents.network_policy import NetworkPolicy
from rtb_envs.files import write_json
from rtb_envs.random import EVALUATE
from training import curriculum, held_out, pictures, report, system
from training.baselines import tuned_rules
from training.curriculum import Curriculum
from training.evaluation import Judge
from training.instances import over_instances
from training.interruption import Interruption
from training.loading import ConfigurationError
from training.metrics import VALIDATION, read_table
from training.programmes import programme_of
from training.progress import ProgressBar
from training.run import RunError, RunFolder
from training.settings import Settings
from training.trainer import Trainer, restore_best


def train(settings: Settings, console: Console) -> bool:
    """Train the run of these settings to its end and evaluate it; False when it was interrupted before.

    Raises ConfigurationError or RunError, before anything is written, for settings or a folder that cannot serve.
    """
    folder = RunFolder(settings.run_folder)
    stages, learner = _build(settings)
    with folder.locked():
        folder.claim(settings.identity())
        if folder.results.exists():
            console.print(f"{folder.path} is finished; to train anew, remove it or choose another --out")
            console.print(report.table(folder.read_results()))
            return True
        devices = ", ".join(map(str, jax.devices()))
        console.print(
            f"{settings.algo} on {settings.env}, seed {settings.seed}: curriculum stages 1 to {settings.curriculum}, "
            f"{settings.iterations:,} iterations of {learner.steps_per_update:,} steps, on {devices}, in {folder.path}"
        )
        with Interruption() as interruption, ProgressBar(console, stages, interruption) as bar:
            progress = Trainer(learner, stages, settings, folder, bar).run()
        if not progress.finished:
            console.print(
                f"stopped and saved after iteration {progress.iteration}; the same command goes on from there"
            )
            return False
        console.print(
            f"trained {progress.iteration * learner.steps_per_update:,} steps in {progress.seconds:.0f} s, compilation "
            f"({progress.compile_seconds:.0f} s) and validation apart"
        )
        _evaluate(settings, stages, learner, folder, console)
    return True


def evaluate(path: Path, console: Console) -> None:
    """Evaluate the best policy of a run so far, and write its results and pictures anew.

    Raises RunError for a folder that holds no run or no policy yet, or whose settings this version does not take.
    """
    folder = RunFolder(path)
    try:
        settings = Settings.model_validate(folder.read_settings())
        stages, learner = _build(settings)
    except (ValidationError, ConfigurationError) as error:
        raise RunError(
            f"{folder.settings} holds settings that cannot be used: {' '.join(str(error).split())}"
        ) from None
    with folder.locked():
        _evaluate(settings, stages, learner, folder, console)


def _build(settings: Settings) -> tuple[Curriculum, registry.Learner]:
    try:
        stages = curriculum.from_settings(settings)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"env {settings.env}: {error}") from error
    try:
        learner = registry.make_learner(settings.algo, stages.env, **_hyperparameters(settings))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"algo {settings.algo}: {error}") from error
    try:
        return over_instances(stages, settings, learner.settings), learner
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _hyperparameters(settings: Settings) -> dict[str, Any]:
    """The run's own over those that the environment's programme has for the algorithm."""
    return {**programme_of(settings.env).hyperparameters.get(settings.algo, {}), **settings.learner_hyperparameters}


def _evaluate(
    settings: Settings, stages: Curriculum, learner: registry.Learner, folder: RunFolder, console: Console
) -> None:
    """Judge the best policy beside every rule in the market of the last stage; the results file comes last."""
    try:
        state, progress = restore_best(learner, stages, settings, folder)
    except FileNotFoundError as error:
        raise RunError(f"{folder.path} has no policy to evaluate yet: {error}") from None
    policy = learner.policy(state)
    agents.save(cast(NetworkPolicy, policy), folder.path)
    section, last = settings.evaluation, stages.stages[-1]
    judge = Judge(stages.env, EVALUATE, section.seeds, section.episodes, stages.horizon)
    begun = time.perf_counter()
    with console.status("evaluating in held-out markets"):
        trained = held_out.Method(settings.algo, f"{settings.algo.upper()}, trained", policy)
        rules = tuned_rules(stages.env, last.params, judge.value_total, programme_of(settings.env).rules)
        figures = held_out.evaluate(judge, last.params, trained, rules, section.bootstrap_samples)
    console.print(f"evaluated {1 + len(rules)} methods in {time.perf_counter() - begun:.0f} s")
    results = {
        "format": report.FORMAT,
        "settings": settings.identity(),
        "training": {
            "iteration": progress.iteration,
            "environment_steps": progress.iteration * learner.steps_per_update,
            "validation_score": progress.best_score,
        },
        "market": {"env": settings.env, "stage": last.number, "horizon": stages.horizon, **_budget(last.params)},
        "evaluation": figures,
        **system.describe(),
    }
    drawn = pictures.draw(folder, results, read_table(folder, VALIDATION))
    write_json(folder.results, results)
    console.print(report.table(results))
    console.print(f"in {folder.path}: {', '.join([folder.results.name, agents.saved.FILE_NAME, *drawn])}")


def _budget(params: Any) -> dict[str, Any]:
    """The budget of an episode and the shares of it that are spent by each step when spending follows the traffic."""
    if not hasattr(params, "initial_budget"):
        return {}
    traffic = np.asarray(params.search_volume_mean, np.float64)[: int(params.horizon)]
    plan = np.concatenate([[0], np.cumsum(traffic)]) / traffic.sum()
    return {"budget": int(params.initial_budget), "spend_plan": plan.tolist()}
