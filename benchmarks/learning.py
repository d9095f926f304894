"""Work of the training."""

from __future__ import annotations

from agents import registry
from benchmarks.workload import Done, Workload
from rtb_envs import compile
from training import curriculum
from training.settings import Settings
from training.updates import Updates, over_devices


def ppo() -> Workload:
    """Updates of the learner that the training's default settings describe, in the market of the last stage."""
    settings = Settings()
    stages = curriculum.from_settings(settings)
    params = stages.stages[-1].params
    learner = registry.make_learner(settings.algo, stages.env, **settings.hyperparameters)
    state = over_devices(compile.jit(learner.init, static_argnums=0)(settings.seed, params))
    chunk = Updates(learner, settings.chunk_iterations)
    chunk.compile(state, params)

    def run(updates: int) -> Done:
        nonlocal state
        for first in range(0, updates, settings.chunk_iterations):
            count = min(settings.chunk_iterations, updates - first)
            state, _ = chunk.run(state, params, count, enters_stage=False)
        return Done(updates * learner.steps_per_update, None)

    return Workload(state.lanes.over.shape[0], run)
