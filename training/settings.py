"""The settings of a training run. The defaults train PPO on ``AdAuction-v0``; ``training.loading`` reads them.

Settings that a run's folder holds are validated by the same model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

import rtb_envs
from agents import registry
from agents.self_play import Pool
from rtb_envs.yaml_reader import parse_yaml


def _parsed(options: Any) -> Any:
    """Options that came as text, from the environment, read as values."""
    if not isinstance(options, Mapping):
        return options
    return {name: parse_yaml(value) if isinstance(value, str) else value for name, value in options.items()}


# Algorithms with the hyperparameter ``annealing_updates``, whose best value is the length of the run.
ANNEALED = ("a2c", "dqn", "ppo")
# Environments whose agents can be trained as a team.
TEAM_ENVS = ("retargeting_v0",)
TEAM = ("ppo", "dqn", "ppo", "a2c")

Options = Annotated[dict[str, Any], BeforeValidator(_parsed)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
# Those of three stages fit into the length of the run that a learner takes.
Iterations = Annotated[int, Field(ge=1, le=5_000_000)]
SeveralSeeds = Annotated[int, Field(ge=2, le=10_000)]


def _check_name(field: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise ValueError(f"{field} must be one of {', '.join(known)}; got {name!r}")


class Section(BaseModel):
    """A group of settings: frozen, and no key beyond its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_no_truth_values(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes true for 1."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        kinds = {annotation, *get_args(annotation)}
        if isinstance(value, bool) and kinds & {int, float}:
            raise PydanticKnownError("int_type" if int in kinds else "float_type")
        return value


class LastStage(Section):
    """``iterations`` updates in a market of its own.

    ``options`` go to ``rtb_envs.make``, over the stage's own options and over ``env_options``.
    """

    options: Options = {}
    iterations: Iterations = 240


class EarlierStage(LastStage):
    """A stage that may end before, at the first validation whose score reaches ``threshold``.

    What it then leaves of its updates the run's last stage takes, which ends by its updates alone.
    """

    iterations: Iterations = 30
    threshold: float | None = None


class ValidationSettings(Section):
    """The validation that chooses the best checkpoint, on lanes kept apart from training and held-out evaluation.

    Every ``every_chunks`` chunks and at each stage's end; ``seeds`` sets of ``episodes`` episodes.
    """

    every_chunks: Count = 1
    seeds: SeveralSeeds = 5
    episodes: Count = 64


class EvaluationSettings(Section):
    """The held-out evaluation: ``seeds`` sets of ``episodes`` episodes; intervals from ``bootstrap_samples``."""

    seeds: SeveralSeeds = 10
    episodes: Count = 64
    bootstrap_samples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000


class PoolSettings(Section):
    """A team's pool of earlier policies, as ``agents.self_play.Pool`` says."""

    size: Annotated[int, Field(ge=1, le=1000)] = Pool.size
    period: Count = Pool.period
    share: Annotated[float, Field(ge=0, le=1)] = Pool.share


class Settings(Section):
    """Everything that decides what a run computes, and ``out``, where it goes.

    ``curriculum``: stages 1 to k are trained in turn. ``chunk_iterations``: learner updates in one compiled call,
    after which metrics and a checkpoint are written. ``env_options``: options of ``rtb_envs.make`` in every stage.
    ``hyperparameters``: those of the algorithm that differ from its defaults; a learning rate falls to 0 over the run
    unless they say otherwise.
    ``algos``: where ``env`` has many agents, the algorithm of each; left out, "ppo, dqn, ppo, a2c" in turn.
    ``agent_hyperparameters``: algorithm -> ``hyperparameters`` of the agents that learn by it, if any
    does. ``parameters``: "shared" where one network plays every seat. ``pool``: agents meet each other's earlier
    policies too. ``instances``: train in the market's instances of seeds 0 to n - 1 instead of its own, which it is
    judged in.
    """

    curriculum: Annotated[int, Field(ge=1, le=3)] = 3
    env: str = "AdAuction-v0"
    algo: str = "ppo"
    algos: tuple[str, ...] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    out: Path | None = None
    chunk_iterations: Count = 10
    stage1: EarlierStage = EarlierStage()
    stage2: EarlierStage = EarlierStage()
    stage3: LastStage = LastStage()
    instances: Annotated[int, Field(ge=0, le=10_000)] = 0
    env_options: Options = {}
    hyperparameters: Options = {}
    agent_hyperparameters: dict[str, Options] = {}
    parameters: Literal["separate", "shared"] = "separate"
    pool: PoolSettings | None = None
    validation: ValidationSettings = ValidationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @field_validator("agent_hyperparameters")
    @classmethod
    def _by_the_names_of_learners(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        named: dict[str, dict[str, Any]] = {}
        for algorithm, hyperparameters in given.items():
            name = registry.canonical(algorithm)
            if name not in registry.learners():
                raise ValueError(f"must be of {', '.join(registry.learners())}")
            if name in named:
                raise ValueError(f"must name {name} once, by whichever of its names")
            named[name] = hyperparameters
        return named

    @model_validator(mode="after")
    def _names_exist(self) -> Settings:
        _check_name("env", self.env, [*rtb_envs.list_envs(), *TEAM_ENVS])
        for name, algorithms in (("algo", (self.algo,)), ("algos", self.algos or ())):
            for algorithm in algorithms:
                _check_name(name, registry.canonical(algorithm), registry.learners())
        return self

    @model_validator(mode="after")
    def _fits_the_agents(self) -> Settings:
        refused = ("hyperparameters", "instances") if self.is_team else ("algos", "agent_hyperparameters", "pool")
        for name in refused:
            if getattr(self, name):
                kind = "many agents" if self.is_team else "one agent"
                raise ValueError(
                    f"{name} must be left out for env {self.env}, which has {kind}; got {getattr(self, name)!r}"
                )
        if self.parameters == "shared":
            if not self.is_team:
                raise ValueError(f"parameters must be separate for env {self.env}, which has one agent; got 'shared'")
            if self.pool is not None:
                raise ValueError("pool must be left out where parameters are shared")
            if self.algos is None or len({registry.canonical(algorithm) for algorithm in self.algos}) > 1:
                raise ValueError(
                    "algos must be the same one for every agent where parameters are shared, got "
                    f"{', '.join(self.algos or TEAM)}"
                )
        return self

    @property
    def stages(self) -> tuple[LastStage, ...]:
        """Stages 1 to ``curriculum``."""
        return (self.stage1, self.stage2, self.stage3)[: self.curriculum]

    @property
    def iterations(self) -> int:
        """Learner updates of the whole run."""
        return sum(stage.iterations for stage in self.stages)

    @property
    def is_team(self) -> bool:
        """Whether the environment has many agents, each of which learns."""
        return self.env in TEAM_ENVS

    @property
    def run_folder(self) -> Path:
        """``out``, or runs/<env>-<algo>-seed<seed>-curriculum<k> under the working directory; "team" for a team."""
        name = "team" if self.is_team else self.algo
        return self.out or Path("runs", f"{self.env}-{name}-seed{self.seed}-curriculum{self.curriculum}")

    @property
    def learner_hyperparameters(self) -> dict[str, Any]:
        """``hyperparameters``, and the length of the run for an algorithm whose learning rate falls over the run."""
        annealing = {"annealing_updates": self.iterations} if registry.canonical(self.algo) in ANNEALED else {}
        axis = {"params_axis": 0} if self.instances else {}
        return {**annealing, **axis, **self.hyperparameters}

    def member_hyperparameters(self, algorithm: str) -> dict[str, Any]:
        """What a team's learner of this algorithm has that differs from the programme's."""
        name = registry.canonical(algorithm)
        annealing = {"annealing_updates": self.iterations} if name in ANNEALED else {}
        return {**annealing, **self.agent_hyperparameters.get(name, {})}

    def identity(self) -> dict[str, Any]:
        """What makes two runs the same run: everything but ``out``, as JSON values."""
        return self.model_dump(mode="json", exclude={"out"})
