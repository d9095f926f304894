"""A team: a learner in every seat of a market of many agents, trained through a curriculum.

In the stages below complexity 1 learner i acts against the first round(3 complexity) rules of ``RIVAL_STRATEGIES``; the
other seats take no part. From complexity 1 on the other learners replace them, all of them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import polars as pl
from rich.table import Table

import agents
import rtb_envs
from agents.self_play import Pool, SelfPlayTeam
from agents.shared_team import SharedTeam
from agents.team import Member, Team, TeamParams
from rtb_envs.envs.retargeting import scripted_rivals
from rtb_envs.random import EVALUATE, TUNE
from training import team_evaluation, team_pictures, team_report
from training.checkpoints import Progress
from training.curriculum import Curriculum, Stage, check_equal_programs, stage_options
from training.loading import ConfigurationError
from training.metrics import Row
from training.programmes import programme_of
from training.recorded_episode import record_episode
from training.run import RunFolder
from training.settings import TEAM, EarlierStage, Settings, ValidationSettings
from training.team_evaluation import Floats, TeamJudge


class TeamTask:
    """The ``training.task.Task`` of a team."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError for settings that cannot serve."""
        self._settings = settings
        try:
            self.curriculum = curriculum_of(settings)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"env {settings.env}: {error}") from error
        market = self.curriculum.env
        self._algos = algorithms(settings, len(market.agents))
        members = [Member(algo, _hyperparameters(settings, algo)) for algo in self._algos]
        rivals = scripted_rivals(len(market.agents) - 1)
        try:
            # Also those of algorithms that this team does without, so that a mistake in them is told before it counts.
            for algo in settings.agent_hyperparameters:
                agents.registry.learner_settings(algo, **_hyperparameters(settings, algo))
            self.learner = _team(settings, market, members, [rivals] * len(market.agents))
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"algos {', '.join(self._algos)}: {error}") from error
        self.title = f"{', '.join(self._algos)} on {settings.env}"

    def validator(self) -> TeamValidator:
        return TeamValidator(self.learner, self.curriculum, self._settings.validation)

    def save(self, state: Any, folder: Path) -> list[str]:
        for agent, seated in zip(self.learner.market.agents, self.learner.policy(state), strict=True):
            agents.save(seated.network, folder / agents.saved.AGENTS_FOLDER / agent, seated.choices)
        return [f"{agents.saved.AGENTS_FOLDER}/<agent>/{agents.saved.FILE_NAME}"]

    def evaluate(self, state: Any) -> dict[str, Any]:
        section, last = self._settings.evaluation, self.curriculum.stages[-1]
        judge = TeamJudge(self.learner.market, EVALUATE, section.seeds, section.episodes)  # type: ignore[arg-type]
        figures = team_evaluation.evaluate(judge, self.learner.policy(state), last.params, section.bootstrap_samples)
        for seat, algo in zip(figures["agents"], self._algos, strict=True):
            seat["algo"] = algo
        budgets = (np.asarray(last.params.initial_budget) / rtb_envs.envs.retargeting.UNITS).tolist()
        market = {
            "env": self._settings.env,
            "stage": last.number,
            "horizon": self.curriculum.horizon,
            "budgets": budgets,
        }
        return {"kind": "team", "market": market, "evaluation": figures}

    def record(self, state: Any, folder: Path) -> list[str]:
        market: Any = self.learner.market
        return record_episode(
            market, self.learner.policy(state), self._algos, self.curriculum.stages[-1].params, folder
        )

    def draw(self, folder: RunFolder, results: dict[str, Any], validation: pl.DataFrame) -> list[str]:
        return team_pictures.draw(folder, results, validation)

    def table(self, results: dict[str, Any]) -> Table:
        return team_report.table(results)


class TeamValidator:
    """Scores a team by its Nash welfare, in units of what the rules' strategy set earns in the same episodes.

    Learners play together in every stage, on lanes kept for tuning. By the total the best checkpoint could be one in
    which an agent starves.
    """

    def __init__(self, learner: Team, curriculum: Curriculum, settings: ValidationSettings) -> None:
        self._learner, self._curriculum = learner, curriculum
        self._judge = TeamJudge(learner.market, TUNE, settings.seeds, settings.episodes)  # type: ignore[arg-type]
        self._reference: dict[int, Floats] = {}

    def validate(self, state: Any, progress: Progress) -> tuple[float, list[Row]]:
        """The score over all seeds in the stage of ``progress``, and a row for each seed; profits are in dollars."""
        stage, judge, market = self._curriculum.stage(progress), self._judge, self._learner.market
        policies = self._learner.policy(state)
        if stage.number not in self._reference:
            rules = judge.play(policies, [True] * len(policies), stage.params)
            self._reference[stage.number] = judge.profit(rules)
        played = judge.play(policies, [False] * len(policies), stage.params)
        profit, reference, campaigns = judge.profit(played), self._reference[stage.number], judge.campaigns(played)
        rows: list[Row] = [
            {
                "iteration": progress.iteration,
                "environment_steps": progress.iteration * self._learner.steps_per_update,
                "stage": stage.number,
                "seed": seed,
                "value": float(profit[i].sum()),
                "score": nash_welfare(profit[i], reference[i]),
                **{f"profit/{agent}": float(profit[i, j]) for j, agent in enumerate(market.agents)},
                **{f"rule_profit/{agent}": float(reference[i, j]) for j, agent in enumerate(market.agents)},
                **campaigns[i],
                "wall_time": time.time(),
            }
            for i, seed in enumerate(judge.seeds)
        ]
        return nash_welfare(profit.mean(axis=0), reference.mean(axis=0)), rows


def nash_welfare(profit: Floats, rule_profit: Floats) -> float:
    """The geometric mean over agents [agents] of what each earns over what the rule of its seat does, in dollars.

    It is the utilities' product that bargaining maximises (Nash, Econometrica 18(2), 1950; Moulin, "Fair Division and
    Collective Welfare", 2003): an agent's loss of half its profit weighs as much as another's gain of double. 0 when an
    agent earns nothing; a rule that earns less than a dollar counts as one dollar.
    """
    if not (profit > 0).all():
        return 0.0
    return float(np.exp(np.log(profit / np.maximum(rule_profit, 1.0)).mean()))


def algorithms(settings: Settings, num_agents: int) -> tuple[str, ...]:
    """The algorithm of each agent; ConfigurationError unless there is one for each."""
    if settings.algos is None:
        return tuple(TEAM[i % len(TEAM)] for i in range(num_agents))
    if len(settings.algos) != num_agents:
        raise ConfigurationError(
            f"algos must be one for each of the {num_agents} agents, got {len(settings.algos)}: "
            f"{', '.join(settings.algos)}"
        )
    return settings.algos


def curriculum_of(settings: Settings) -> Curriculum:
    """Stages 1 to ``settings.curriculum``: what learners train in, and the market with everybody they are judged in.

    Raises ValueError or TypeError for options that the market refuses, and for stages that differ in what is static.
    """
    options = [stage_options(settings, number) for number in range(1, settings.curriculum + 1)]
    markets: list[Any] = [rtb_envs.make_multi_agent(settings.env, **own) for own in options]
    check_equal_programs(markets)
    stages = []
    for number, (section, market, own) in enumerate(zip(settings.stages, markets, options, strict=True), 1):
        joint = market.default_params
        threshold = section.threshold if isinstance(section, EarlierStage) else None
        training = _training(market, joint, own["complexity"])
        stages.append(Stage(number, joint, section.iterations, threshold, training))
    return Curriculum(markets[-1], tuple(stages), settings.iterations)


def _team(settings: Settings, market: Any, members: list[Member], rules: list[Any]) -> Team:
    if settings.parameters == "shared":
        return SharedTeam(market, members[0], rules)
    if settings.pool is not None:
        return SelfPlayTeam(market, members, rules, Pool(**settings.pool.model_dump()))
    return Team(market, members, rules)


def _training(market: Any, joint: Any, complexity: float) -> TeamParams:
    markets = tuple(joint.at_complexity(complexity, agent=i) for i in range(len(market.agents)))
    return TeamParams(markets, jnp.bool_(complexity < 1))


def _hyperparameters(settings: Settings, algo: str) -> dict[str, Any]:
    name = agents.registry.canonical(algo)
    return {**programme_of(settings.env).hyperparameters.get(name, {}), **settings.member_hyperparameters(name)}
