"""The score that chooses the best checkpoint and ends stages by threshold."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from agents.registry import Learner
from rtb_envs.random import TUNE
from training.checkpoints import Progress
from training.curriculum import Curriculum
from training.evaluation import Floats, Judge
from training.metrics import Row
from training.settings import ValidationSettings


class Validator:
    """Scores policies on lanes kept for tuning: value over ceiling, or mean value where there is no ceiling."""

    def __init__(self, learner: Learner, curriculum: Curriculum, settings: ValidationSettings) -> None:
        self._learner, self._curriculum = learner, curriculum
        self._judge = Judge(curriculum.env, TUNE, settings.seeds, settings.episodes, curriculum.horizon)
        self._reference: dict[int, Floats] = {}

    def validate(self, state: Any, progress: Progress) -> tuple[float, list[Row]]:
        """The score over all seeds in the stage of ``progress``, and a row for each seed."""
        stage = self._curriculum.stage(progress)
        value = self._judge.play(self._learner.policy(state), stage.params).value
        if stage.number not in self._reference:
            has_bounds = self._judge.has_bounds
            self._reference[stage.number] = (
                self._judge.bounds(stage.params).ceiling if has_bounds else np.ones_like(value)
            )
        reference = self._reference[stage.number]
        rows: list[Row] = [
            {
                "iteration": progress.iteration,
                "environment_steps": progress.iteration * self._learner.steps_per_update,
                "stage": stage.number,
                "seed": seed,
                "value": float(value[i].mean()),
                "score": float(value[i].sum() / reference[i].sum()),
                "wall_time": time.time(),
            }
            for i, seed in enumerate(self._judge.seeds)
        ]
        return float(value.sum() / reference.sum()), rows
