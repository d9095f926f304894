"""What the curriculum is worth: teams that go through it against teams that train in its last stage alone.

For each seed of the training there is a run of either kind, of equally many updates, hence opportunities. Both are
validated in the same episodes of the last stage, and compared over the updates that the curriculum spends there: by the
area under the curve of profit, per update, which is the mean profit of the team on the way.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console

from rtb_envs.files import write_json
from rtb_envs.intervals import CONFIDENCE, mean_of_few
from training import ablation_report, loading
from training.commands import train_task
from training.curriculum import stage_options
from training.loading import ConfigurationError
from training.metrics import VALIDATION, read_table
from training.run import RunError, RunFolder
from training.settings import Settings
from training.team_evaluation import Figures, Floats
from training.teams import TeamTask

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PRESETS = {"quick": "multi_agent_quick.yaml", "full": "multi_agent.yaml"}
KINDS = ("curriculum", "scratch")
VALIDATED_CHUNKS = 2
"""Chunks from one validation to the next: more often than the presets have it, for the area's sake."""
MEASURES = {"profit": "value", "nash_welfare": "score"}
"""Of a team -> the column of the validation's table."""


def ablation(seeds: int, preset: str, out: Path, console: Console) -> bool:
    """Train what is missing, print and draw the comparison, write ``ablation.json``; False when it was interrupted.

    Raises ConfigurationError for an unknown preset, and RunError for folders that hold something else.
    """
    if preset not in PRESETS:
        raise ConfigurationError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    settings = loading.load({}, CONFIGS / PRESETS[preset])
    for seed in range(seeds):
        for kind in KINDS:
            if not _train(settings_of(kind, settings, seed), _folder(out, kind, seed), console):
                return False
    results = {"preset": preset, **compare(settings, seeds, out)}
    drawn = ablation_report.draw(out, results)
    write_json(out / "ablation.json", results)
    console.print(ablation_report.table(results))
    console.print(f"in {out}: ablation.json, {drawn}")
    return True


def settings_of(kind: str, settings: Settings, seed: int) -> Settings:
    """The run of a kind: from scratch the first stage is the last one's market, and there is no other."""
    changed = settings.model_dump()
    changed["seed"] = seed
    changed["validation"]["every_chunks"] = VALIDATED_CHUNKS
    if kind == "scratch":
        changed |= {
            "curriculum": 1,
            "stage1": {"options": stage_options(settings, settings.curriculum), "iterations": settings.iterations},
        }
    return Settings.model_validate(changed)


def compare(settings: Settings, seeds: int, out: Path) -> Figures:
    """Curves of both kinds over the last stage's share of the curriculum, and what the curriculum has over the other.

    Differences are paired by seed; intervals are Student's, and null for a single seed.
    """
    tables = {kind: [_curve(_folder(out, kind, seed)) for seed in range(seeds)] for kind in KINDS}
    in_last = tables["curriculum"][0].filter(pl.col("stage") == settings.curriculum)
    iterations = [i for i in in_last["iteration"].to_list() if i in tables["scratch"][0]["iteration"]]
    if len(iterations) < 2:
        raise RunError(f"{out} holds runs with fewer than 2 validations in common in stage {settings.curriculum}")
    curves = {
        measure: {kind: _at(tables[kind], iterations, measure) for kind in KINDS} for measure in ("steps", *MEASURES)
    }
    return {
        "env": settings.env,
        "iterations": settings.iterations,
        "seeds": list(range(seeds)),
        "confidence": CONFIDENCE,
        "opportunities": curves["steps"]["curriculum"][0].tolist(),
        **{measure: _compared(iterations, curves[measure]) for measure in MEASURES},
    }


def _train(settings: Settings, folder: RunFolder, console: Console) -> bool:
    task = TeamTask(settings)
    with folder.locked():
        folder.claim(settings.identity())
        return train_task(settings, task, folder, console)


def _folder(out: Path, kind: str, seed: int) -> RunFolder:
    return RunFolder(out / f"{kind}-seed{seed}")


def _curve(folder: RunFolder) -> pl.DataFrame:
    """A row for each validation of a run: means over its episodes."""
    means = [pl.col(column).mean().alias(measure) for measure, column in MEASURES.items()]
    rows = read_table(folder, VALIDATION).group_by("iteration", "stage", maintain_order=True)
    return rows.agg(pl.col("environment_steps").first().alias("steps"), *means)


def _at(tables: list[pl.DataFrame], iterations: list[int], measure: str) -> Floats:
    """A measure after each of ``iterations`` [seeds, iterations]."""
    return np.array([table.filter(pl.col("iteration").is_in(iterations))[measure].to_list() for table in tables], float)


def _compared(iterations: list[int], curves: dict[str, Floats]) -> Figures:
    """Of one measure: its curves, their areas per iteration and their ends, and the differences of these."""
    span = iterations[-1] - iterations[0]
    areas = {kind: np.asarray(np.trapezoid(curve, iterations, axis=1)) / span for kind, curve in curves.items()}
    ends = {kind: curve[:, -1] for kind, curve in curves.items()}
    return {
        "curves": {kind: curve.tolist() for kind, curve in curves.items()},
        "area": _paired(areas),
        "end": _paired(ends),
    }


def _paired(values: dict[str, Floats]) -> dict[str, Any]:
    """By kind the mean and the value of each seed, and the interval of the difference."""
    difference = values["curriculum"] - values["scratch"]
    interval = asdict(mean_of_few(difference)) if len(difference) > 1 else None
    kinds = {kind: {"mean": float(value.mean()), "by_seed": value.tolist()} for kind, value in values.items()}
    return {**kinds, "difference": interval, "difference_by_seed": difference.tolist()}
