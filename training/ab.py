"""Two runs in the same held-out episodes: which does better, and by how much.

Both meet the same draws, so that differences are paired. Teams are compared by each agent's profit, single agents by
what their environment is judged in. Runs are comparable whose last stages are the same market, whatever learned in it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

import agents
from agents.team import Seated
from rtb_envs.intervals import CONFIDENCE
from rtb_envs.random import EVALUATE
from training import ab_report, held_out
from training.curriculum import Curriculum
from training.evaluation import Judge
from training.loading import ConfigurationError, of_run
from training.run import RunError, RunFolder, first_difference
from training.settings import Settings
from training.solo import build, market_of
from training.team_evaluation import Figures, TeamJudge, compare
from training.teams import curriculum_of

NAMES = ("A", "B")
REWARDS = ("reward_weights", "spend_weight", "spend_weight_growth")
"""What a team learned by, and makes no other market: profits are judged unweighted."""


def ab(first: Path, second: Path, console: Console) -> None:
    """Print the comparison of two runs; raises what ``compare_runs`` raises."""
    figures = compare_runs(first, second)
    console.print(ab_report.table(figures, (str(first), str(second))))
    console.print(ab_report.verdict(figures))


def compare_runs(first: Path, second: Path) -> Figures:
    """Figures of both: of teams ``rows``, of single agents those of ``training.held_out``.

    The seeds, episodes and bootstrap samples are those of the first run's settings. Raises RunError for folders that
    hold no run or no trained policy, and for runs in different markets.
    """
    settings, other = of_run(RunFolder(first)), of_run(RunFolder(second))
    if settings.is_team != other.is_team or settings.env != other.env:
        raise RunError(f"{first} and {second} cannot be compared: env is {settings.env} in A and {other.env} in B")
    curriculum = _curriculum(first, settings)
    besides = REWARDS if settings.is_team else ()
    if not _same_market(curriculum, _curriculum(second, other), besides):
        options = (_options(settings, besides), _options(other, besides))
        name, there, here = first_difference(*options) or ("market", "one", "another")
        raise RunError(
            f"{first} and {second} cannot be compared, because they are runs in different markets: {name} is {there!r} "
            f"in A and {here!r} in B (None: left out)"
        )
    play = _teams if settings.is_team else _single_agents
    return play(settings, curriculum, (first, second))


def _teams(settings: Settings, curriculum: Curriculum, runs: tuple[Path, Path]) -> Figures:
    """``rows``: name of an agent or "total" -> dollars an episode of both, their difference and ratio, by seed."""
    market, params, section = curriculum.env, curriculum.stages[-1].params, settings.evaluation
    names: tuple[str, ...] = market.agents
    teams = [[_seated(run, name) for name in names] for run in runs]
    judge = TeamJudge(market, EVALUATE, section.seeds, section.episodes)
    ours, theirs = (judge.profit(judge.play(team, [False] * len(names), params)) for team in teams)
    rows = {name: compare(ours[:, i], theirs[:, i], section.bootstrap_samples) for i, name in enumerate(names)}
    rows["total"] = compare(ours.sum(axis=1), theirs.sum(axis=1), section.bootstrap_samples)
    return {
        "seeds": list(judge.seeds),
        "episodes_per_seed": judge.num_episodes,
        "confidence": CONFIDENCE,
        "rows": rows,
    }


def _single_agents(settings: Settings, curriculum: Curriculum, runs: tuple[Path, Path]) -> Figures:
    section, last = settings.evaluation, curriculum.stages[-1]
    methods = [
        held_out.Method(name, f"{name}: {run.name}", _saved(run).policy) for name, run in zip(NAMES, runs, strict=True)
    ]
    judge = Judge(curriculum.env, EVALUATE, section.seeds, section.episodes, curriculum.horizon)
    figures = held_out.evaluate(judge, last.params, methods[0], methods[1:], section.bootstrap_samples)
    return {"market": market_of(settings.env, curriculum, judge.num_steps), "evaluation": figures}


def _curriculum(run: Path, settings: Settings) -> Curriculum:
    try:
        return curriculum_of(settings) if settings.is_team else build(settings)[0]
    except (ConfigurationError, ValueError, TypeError) as error:
        raise RunError(f"{run} holds settings that cannot be used: {error}") from None


def _same_market(ours: Curriculum, theirs: Curriculum, besides: tuple[str, ...]) -> bool:
    """Whether the markets of the last stages are equal, static part and every number, but for those of ``besides``."""
    if ours.env.config != theirs.env.config:
        return False
    mine, other = (
        jax.tree.leaves(replace(curriculum.stages[-1].params, **dict.fromkeys(besides)))
        for curriculum in (ours, theirs)
    )
    return len(mine) == len(other) and all(map(np.array_equal, mine, other))


def _options(settings: Settings, besides: tuple[str, ...]) -> dict[str, Any]:
    """What decides the market of a run's last stage, by the names of the settings."""
    name = f"stage{settings.curriculum}"
    every, last = (
        {option: value for option, value in options.items() if option not in besides}
        for options in (settings.env_options, getattr(settings, name).options)
    )
    return {"env_options": every, name: {"options": last}, "curriculum": settings.curriculum}


def _seated(run: Path, agent: str) -> Seated:
    saved = _saved(run, agent)
    return Seated(saved.policy, None if saved.choices is None else jnp.asarray(saved.choices))


def _saved(run: Path, agent: str | None = None) -> agents.saved.SavedPolicy:
    try:
        return agents.load(run, agent=agent)
    except FileNotFoundError:
        who = "policy" if agent is None else f"policy of {agent}"
        raise RunError(
            f"{run} has no {who} yet: train it to its end, or have its best one so far saved by "
            f"python -m training evaluate {run}"
        ) from None
    except ValueError as error:
        raise RunError(str(error)) from None
