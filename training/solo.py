"""One learner in an environment with one agent, judged beside every rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from rich.table import Table

import agents
from agents import registry
from agents.network_policy import NetworkPolicy
from rtb_envs.random import EVALUATE
from training import curriculum, held_out, pictures, report
from training.baselines import tuned_rules
from training.curriculum import Curriculum
from training.evaluation import Judge
from training.instances import over_instances
from training.loading import ConfigurationError
from training.programmes import programme_of
from training.recorded_episode import record_seat
from training.run import RunFolder
from training.settings import Settings
from training.validation import Validator


class Solo:
    """The ``training.task.Task`` of one learner."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError for settings that cannot serve."""
        self._settings = settings
        self.curriculum, self.learner = build(settings)
        self.title = f"{settings.algo} on {settings.env}"

    def validator(self) -> Validator:
        return Validator(self.learner, self.curriculum, self._settings.validation)

    def save(self, state: Any, folder: Path) -> list[str]:
        agents.save(cast(NetworkPolicy, self.learner.policy(state)), folder)
        return [agents.saved.FILE_NAME]

    def evaluate(self, state: Any) -> dict[str, Any]:
        settings, stages = self._settings, self.curriculum
        section, last = settings.evaluation, stages.stages[-1]
        judge = Judge(stages.env, EVALUATE, section.seeds, section.episodes, stages.horizon)
        trained = held_out.Method(settings.algo, f"{settings.algo.upper()}, trained", self.learner.policy(state))
        rules = tuned_rules(stages.env, last.params, judge.value_total, programme_of(settings.env).rules)
        figures = held_out.evaluate(judge, last.params, trained, rules, section.bootstrap_samples)
        return {"market": market_of(settings.env, stages, judge.num_steps), "evaluation": figures}

    def record(self, state: Any, folder: Path) -> list[str]:
        network = cast(NetworkPolicy, self.learner.policy(state))
        stages = self.curriculum
        return record_seat(stages.env, network, self._settings.algo, stages.stages[-1].params, folder)

    def draw(self, folder: RunFolder, results: dict[str, Any], validation: pl.DataFrame) -> list[str]:
        return pictures.draw(folder, results, validation)

    def table(self, results: dict[str, Any]) -> Table:
        return report.table(results)


def build(settings: Settings) -> tuple[Curriculum, registry.Learner]:
    """The stages and the learner of a run; ConfigurationError for settings that cannot serve."""
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


def market_of(env_id: str, stages: Curriculum, num_steps: int) -> dict[str, Any]:
    """What the results say of the market that methods are judged in, in episodes of at most ``num_steps``."""
    last = stages.stages[-1]
    return {"env": env_id, "stage": last.number, "horizon": num_steps, **_budget(last.params)}


def _hyperparameters(settings: Settings) -> dict[str, Any]:
    """The run's own over those that the environment's programme has for the algorithm."""
    name = registry.canonical(settings.algo)
    return {**programme_of(settings.env).hyperparameters.get(name, {}), **settings.learner_hyperparameters}


def _budget(params: Any) -> dict[str, Any]:
    """The budget of an episode and the shares of it that are spent by each step when spending follows the traffic."""
    if not hasattr(params, "initial_budget"):
        return {}
    traffic = np.asarray(params.search_volume_mean, np.float64)[: int(params.horizon)]
    plan = np.concatenate([[0], np.cumsum(traffic)]) / traffic.sum()
    return {"budget": int(params.initial_budget), "spend_plan": plan.tolist()}
