"""The progress of a training on screen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.checkpoints import Progress as RunProgress
from training.curriculum import Curriculum
from training.interruption import Interruption


class ProgressBar:
    """Stage, iterations, speed, return and time left; a line for every validation. A context manager."""

    def __init__(self, console: Console, curriculum: Curriculum, interruption: Interruption) -> None:
        self._curriculum, self._interruption = curriculum, interruption
        self._bar = Progress(
            TextColumn("stage {task.fields[stage]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:,.0f} steps/s"),
            TextColumn("return {task.fields[episode_return]:.2f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task(
            "training",
            total=curriculum.iterations,
            start=False,
            visible=False,
            stage="",
            speed=0.0,
            episode_return=float("nan"),
        )

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def began(self, progress: RunProgress) -> None:
        """Training goes on from ``progress`` once the updates are compiled."""
        if progress.iteration:
            self._bar.console.print(f"going on after iteration {progress.iteration}")
        self._bar.update(self._task, visible=True, completed=progress.iteration, stage=self._stage(progress))

    def compiled(self, seconds: float) -> None:
        """The updates' program is ready."""
        self._bar.console.print(f"compiled the update in {seconds:.1f} s")
        self._bar.start_task(self._task)

    def advanced(self, progress: RunProgress, metrics: Mapping[str, float], steps_per_second: float) -> None:
        """A chunk has ended; ``metrics`` are those of its last update."""
        self._bar.update(self._task, completed=progress.iteration, stage=self._stage(progress), speed=steps_per_second)
        episode_return = _mean_return(metrics)
        if not math.isnan(episode_return):  # Else no episode has ended, and the last ones that did are still shown.
            self._bar.update(self._task, episode_return=episode_return)

    def validated(self, progress: RunProgress, score: float, is_best: bool) -> None:
        """The policy has been validated in the stage of ``progress``."""
        best = ", the best so far" if is_best else ""
        self._bar.console.print(
            f"iteration {progress.iteration:>5}, stage {progress.stage}: validation score {score:.4f}{best}",
            highlight=False,
        )

    def should_stop(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._interruption.asked

    def _stage(self, progress: RunProgress) -> str:
        return f"{progress.stage}/{len(self._curriculum.stages)}"


def _mean_return(metrics: Mapping[str, float]) -> float:
    """Of the learner, or of those of a team whose episodes have ended."""
    named = [value for name, value in metrics.items() if name.endswith("mean_episode_return")]
    returns = [value for value in named if not math.isnan(value)]
    return sum(returns) / len(returns) if returns else float("nan")
