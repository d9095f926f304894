"""Training over many instances of a market at once: every lane meets its own ads, users, rates and prices.

The market that policies are judged in stays the stage's own, so that what is learned has to carry over to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rtb_envs
from agents.learner_settings import LearnerSettings
from training.curriculum import Curriculum, stage_options
from training.programmes import programme_of
from training.settings import Settings


def over_instances(curriculum: Curriculum, settings: Settings, learner: LearnerSettings) -> Curriculum:
    """``curriculum`` with its lanes dealt evenly to the instances of seeds 0 to ``settings.instances`` - 1.

    Lanes that draw the same random numbers get the same instance. Raises ValueError for an environment without
    instances, for options that name one, and for more instances than lanes can meet.
    """
    if settings.instances == 0:
        return curriculum
    if not programme_of(settings.env).has_instances:
        raise ValueError(f"instances must be 0, as {settings.env} has none, got {settings.instances}")
    sections = (settings.stage1, settings.stage2, settings.stage3)
    if any("instance_seed" in options for options in (settings.env_options, *(one.options for one in sections))):
        raise ValueError(f"instances must be 0 where options name an instance_seed, got {settings.instances}")
    alike = getattr(learner, "lanes_per_market", 1)
    markets = learner.num_envs // alike
    if settings.instances > markets:
        raise ValueError(
            f"instances must be at most {markets}, the markets of {learner.num_envs} lanes, got {settings.instances}"
        )
    lanes = np.repeat(np.arange(markets) % settings.instances, alike)
    stages = []
    for stage in curriculum.stages:
        drawn = [_params(settings, stage.number, seed) for seed in range(settings.instances)]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *drawn)
        stages.append(replace(stage, lane_params=jax.tree.map(lambda leaf: leaf[lanes], stacked)))
    return replace(curriculum, stages=tuple(stages))


def _params(settings: Settings, number: int, seed: int) -> Any:
    return rtb_envs.make(settings.env, **stage_options(settings, number, instance_seed=seed)).default_params
