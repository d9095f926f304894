"""The training loop: compiled chunks of updates, and between them metrics, validation, curriculum and checkpoints.

Everything that decides what comes next is in the checkpoint, and what is computed does not depend on how the updates
are cut into chunks. A run that was killed anywhere therefore ends, started again, with the same parameters bit for bit
(on the same machine and library versions).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import jax

from agents.registry import Learner
from rtb_envs import compile
from training.checkpoints import Checkpoints, Progress
from training.curriculum import Curriculum
from training.metrics import METRICS, VALIDATION, MetricsLog, Row
from training.run import RunFolder
from training.settings import Settings
from training.updates import Updates, over_devices


class Watcher(Protocol):
    """Who is told how the training goes, and may stop it."""

    def began(self, progress: Progress) -> None:
        """Training goes on from ``progress`` once the updates are compiled."""

    def compiled(self, seconds: float) -> None:
        """The updates' program is ready."""

    def advanced(self, progress: Progress, metrics: Mapping[str, float], steps_per_second: float) -> None:
        """A chunk has ended; ``metrics`` are those of its last update."""

    def validated(self, progress: Progress, score: float, is_best: bool) -> None:
        """The policy has been validated in the stage of ``progress``."""

    def should_stop(self) -> bool:
        """Whether to stop where the run stands; everything is saved."""


class Validates(Protocol):
    """Who scores a state."""

    def validate(self, state: Any, progress: Progress) -> tuple[float, list[Row]]:
        """The score that chooses the best checkpoint, and rows for the log."""


class Trainer:
    """Trains one run in its folder."""

    def __init__(
        self,
        learner: Learner,
        curriculum: Curriculum,
        validator: Validates,
        settings: Settings,
        folder: RunFolder,
        watcher: Watcher,
    ) -> None:
        self._learner, self._curriculum, self._settings = learner, curriculum, settings
        self._folder, self._watcher = folder, watcher
        self._updates = Updates(learner, settings.chunk_iterations)
        self._validator = validator

    def run(self) -> Progress:
        """Train until the run is finished or the watcher stops it; go on from the last checkpoint if there is one."""
        with (
            Checkpoints(self._folder.checkpoints, "last") as last,
            Checkpoints(self._folder.checkpoints, "best") as best,
        ):
            state, progress = self._begin(last)
            if progress.best_iteration == progress.iteration != best.iteration:
                best.save(state, progress)  # Killed between the two saves.
            if progress.finished:
                return progress
            self._watcher.began(progress)
            state = over_devices(state)
            seconds = self._updates.compile(state, self._curriculum.stage(progress).training_params)
            progress = replace(progress, compile_seconds=progress.compile_seconds + seconds)
            self._watcher.compiled(seconds)
            with MetricsLog(self._folder, progress.iteration) as log:
                while not progress.finished and not self._watcher.should_stop():
                    state, progress = self._advance(state, progress, log)
                    is_best = progress.best_iteration == progress.iteration
                    # Rows first: a checkpoint vouches for every row up to its iteration.
                    log.flush()
                    last.save(state, progress)
                    if is_best:
                        best.save(state, progress)
        return progress

    def _begin(self, last: Checkpoints) -> tuple[Any, Progress]:
        if last.iteration is not None:
            return last.restore(_shape_of_state(self._learner, self._curriculum, self._settings))
        init = compile.jit(self._learner.init, static_argnums=0)
        return init(self._settings.seed, self._curriculum.stages[0].training_params), Progress()

    def _advance(self, state: Any, progress: Progress, log: MetricsLog) -> tuple[Any, Progress]:
        """One chunk, its rows, and where the run stands then."""
        stage = self._curriculum.stage(progress)
        count = min(self._settings.chunk_iterations, self._curriculum.remaining(progress))
        enters_stage = progress.stage > 1 and progress.stage_iteration == 0
        begun = time.perf_counter()
        state, metrics = self._updates.run(state, stage.training_params, count, enters_stage)
        seconds = time.perf_counter() - begun
        log.add(METRICS, self._rows(progress, metrics, seconds / count))
        progress = replace(
            progress,
            iteration=progress.iteration + count,
            stage_iteration=progress.stage_iteration + count,
            seconds=progress.seconds + seconds,
        )
        self._watcher.advanced(progress, metrics[-1], count * self._learner.steps_per_update / seconds)
        if not self._validation_is_due(progress):
            return state, progress
        score, rows = self._validator.validate(state, progress)
        log.add(VALIDATION, rows)
        is_last = progress.stage == len(self._curriculum.stages)
        is_best = is_last and (progress.best_score is None or score > progress.best_score)
        self._watcher.validated(progress, score, is_best)
        if is_best:
            progress = replace(progress, best_score=score, best_iteration=progress.iteration)
        return state, self._curriculum.after_validation(progress, score)

    def _validation_is_due(self, progress: Progress) -> bool:
        """Every so many whole chunks of a stage, and at its end."""
        period = self._settings.chunk_iterations * self._settings.validation.every_chunks
        return self._curriculum.remaining(progress) == 0 or progress.stage_iteration % period == 0

    def _rows(self, before: Progress, metrics: list[dict[str, float]], seconds: float) -> list[Row]:
        """A row for each update of a chunk that began at ``before``; ``seconds`` is the mean time of one."""
        wall_time = time.time()
        return [
            {
                "iteration": iteration,
                "environment_steps": iteration * self._learner.steps_per_update,
                "stage": before.stage,
                "seconds": seconds,
                "wall_time": wall_time,
                **scalars,
            }
            for iteration, scalars in enumerate(metrics, before.iteration + 1)
        ]


def restore_best(
    learner: Learner, curriculum: Curriculum, settings: Settings, folder: RunFolder
) -> tuple[Any, Progress]:
    """The state with the best validation score in the last stage; FileNotFoundError when there is none yet."""
    with Checkpoints(folder.checkpoints, "best") as best:
        return best.restore(_shape_of_state(learner, curriculum, settings))


def _shape_of_state(learner: Learner, curriculum: Curriculum, settings: Settings) -> Any:
    return jax.eval_shape(lambda: learner.init(settings.seed, curriculum.stages[0].training_params))
