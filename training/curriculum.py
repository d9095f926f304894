"""The stages of a curriculum and when one ends.

All stages share one environment: what is static is equal, only parameters differ, so that one compiled program serves
the whole run. The learner (network, normalisers, optimiser) is carried from stage to stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import jax

import rtb_envs
from training.checkpoints import Progress
from training.programmes import programme_of
from training.settings import EarlierStage, Settings


@dataclass(frozen=True)
class Stage:
    """One market to train in, for at most ``iterations`` updates or until the validation score is ``threshold``."""

    number: int
    params: Any
    iterations: int
    threshold: float | None = None
    lane_params: Any = None
    """Where lanes train in markets of their own: theirs, leading with the lane axis. ``params`` is then the market that
    policies are judged in."""

    @property
    def training_params(self) -> Any:
        """What a learner's updates take."""
        return self.params if self.lane_params is None else self.lane_params


@dataclass(frozen=True)
class Curriculum:
    """The stages of a run, the last of which takes the iterations that earlier ones leave by their thresholds."""

    env: Any
    """The functional core, of one agent or of many."""
    stages: tuple[Stage, ...]
    iterations: int

    @property
    def horizon(self) -> int:
        """Steps of an episode, in every stage."""
        return int(self.stages[-1].params.horizon)

    def stage(self, progress: Progress) -> Stage:
        """The stage that a run is in."""
        return self.stages[progress.stage - 1]

    def remaining(self, progress: Progress) -> int:
        """Updates left in the stage that a run is in, if no threshold ends it."""
        left = self.iterations - progress.iteration
        if progress.stage == len(self.stages):
            return left
        return min(left, self.stage(progress).iterations - progress.stage_iteration)

    def after_validation(self, progress: Progress, score: float) -> Progress:
        """Enter the next stage, or finish, where the present one is over; every stage ends by a validation."""
        is_last = progress.stage == len(self.stages)
        threshold = self.stage(progress).threshold
        reached = not is_last and threshold is not None and score >= threshold
        if self.remaining(progress) > 0 and not reached:
            return progress
        if is_last:
            return replace(progress, finished=True)
        return replace(progress, stage=progress.stage + 1, stage_iteration=0)


def from_settings(settings: Settings) -> Curriculum:
    """The curriculum of a run: stages 1 to ``settings.curriculum``.

    Raises ValueError (or TypeError) for options that the environment refuses, for an environment without stages of
    its own to which the settings give none, and for stages that differ in what is static.
    """
    sections = settings.stages
    own = programme_of(settings.env).stages
    if own is None and settings.curriculum > 1 and not all(section.options for section in sections):
        raise ValueError(
            f"stage1.options to stage{settings.curriculum}.options must be given: {settings.env} has no stages of its"
            " own"
        )
    envs = [rtb_envs.make(settings.env, **stage_options(settings, number)) for number in range(1, len(sections) + 1)]
    check_equal_programs(envs)
    stages = [
        Stage(
            number,
            env.default_params,
            section.iterations,
            section.threshold if isinstance(section, EarlierStage) else None,
        )
        for number, (env, section) in enumerate(zip(envs, sections, strict=True), 1)
    ]
    return Curriculum(envs[-1], tuple(stages), settings.iterations)


def stage_options(settings: Settings, number: int, **further: Any) -> dict[str, Any]:
    """What a stage's environment is made with: ``further`` options and the settings' over its own."""
    own = programme_of(settings.env).stages
    section = (settings.stage1, settings.stage2, settings.stage3)[number - 1]
    given = {**further, **settings.env_options, **section.options}
    return own(number, **given) if own else given


def check_equal_programs(envs: Sequence[Any]) -> None:
    """Raise ValueError for environments, of one agent or of many, that one compiled program can not serve."""
    first = _program(envs[0])
    for number, env in enumerate(envs[1:], 2):
        here = _program(env)
        for name in first | here:
            if here.get(name) != first.get(name):
                raise ValueError(
                    f"stages must share what is static: {name} is {first.get(name)!r} in stage 1 and "
                    f"{here.get(name)!r} in stage {number}"
                )


def _program(env: Any) -> dict[str, Any]:
    """By name, what the compiled program of an environment depends on."""
    config = getattr(env, "config", None)
    static = {field.name: getattr(config, field.name) for field in fields(config)} if is_dataclass(config) else {}
    leaves, structure = jax.tree_util.tree_flatten_with_path(env.default_params)
    shapes = {f"the shape of {_name(path)}": leaf.shape for path, leaf in leaves}
    types = {f"the type of {_name(path)}": str(leaf.dtype) for path, leaf in leaves}
    horizon = int(env.default_params.horizon)
    return {**static, "episode length": horizon, **shapes, **types, "the parameters' structure": structure}


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
