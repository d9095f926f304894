"""Two trained teams in the same held-out episodes: which earns more, and by how much."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
from pydantic import ValidationError
from rich.console import Console

import agents
from agents.team import Seated
from rtb_envs.intervals import CONFIDENCE
from rtb_envs.random import EVALUATE
from training import team_report
from training.loading import ConfigurationError
from training.run import RunError, RunFolder
from training.settings import Settings
from training.team_evaluation import Figures, TeamJudge, compare
from training.teams import curriculum_of


def ab(first: Path, second: Path, console: Console) -> None:
    """Print the comparison of two runs; RunError for runs that are no teams or of different markets."""
    console.print(team_report.comparison(compare_runs(first, second), (str(first), str(second))))


def compare_runs(first: Path, second: Path) -> Figures:
    """``rows``: name of an agent or "total" -> dollars an episode of both, their difference and ratio, by seed.

    The seeds, episodes and bootstrap samples are those of the first run's settings.
    """
    settings, other = _settings(first), _settings(second)
    if _market(settings) != _market(other):
        raise RunError(f"{first} and {second} must be runs in the same market: their env_options or stages differ")
    curriculum = curriculum_of(settings)
    market, params, section = curriculum.env, curriculum.stages[-1].params, settings.evaluation
    judge = TeamJudge(market, EVALUATE, section.seeds, section.episodes)
    names: tuple[str, ...] = market.agents
    nobody = [False] * len(names)
    ours, theirs = (
        judge.profit(judge.play([_seated(run, name) for name in names], nobody, params)) for run in (first, second)
    )
    rows = {name: compare(ours[:, i], theirs[:, i], section.bootstrap_samples) for i, name in enumerate(names)}
    rows["total"] = compare(ours.sum(axis=1), theirs.sum(axis=1), section.bootstrap_samples)
    return {
        "seeds": list(judge.seeds),
        "episodes_per_seed": judge.num_episodes,
        "confidence": CONFIDENCE,
        "rows": rows,
    }


def _settings(run: Path) -> Settings:
    folder = RunFolder(run)
    try:
        settings = Settings.model_validate(folder.read_settings())
    except (ValidationError, ConfigurationError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{folder.settings} holds settings that cannot be used: {reason}") from None
    if not settings.is_team:
        raise RunError(f"{run} must be the run of a team, such as one in retargeting_v0; it is one in {settings.env}")
    return settings


def _market(settings: Settings) -> tuple[object, ...]:
    """What decides the market of a run's last stage."""
    last = (settings.stage1, settings.stage2, settings.stage3)[settings.curriculum - 1]
    return settings.env, settings.curriculum, settings.env_options, last.options


def _seated(run: Path, agent: str) -> Seated:
    try:
        saved = agents.load(run, agent=agent)
    except (FileNotFoundError, ValueError) as error:
        raise RunError(f"{run} has no policy of {agent} yet: {error}") from None
    return Seated(saved.policy, None if saved.choices is None else jnp.asarray(saved.choices))
