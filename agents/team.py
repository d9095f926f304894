"""Several learners in one market of many agents, trained at the same time by the code that trains one.

Each learner acts in its own copy of the market, in its own seat; the other seats are played either by rules or by the
other learners as they stand before the update. A team is a learner too (``agents.registry.Learner``): its updates run
in the same compiled chunks, and its state is checkpointed as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from agents import registry
from agents.learner_settings import LearnerSettings
from agents.network_policy import NetworkPolicy
from rtb_envs.core import Environment
from rtb_envs.envs.retargeting.discrete import DiscreteSeat
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.policies.policy import Policy
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream
from rtb_envs.seat import Seat, seat


@pytree
@dataclass(frozen=True)
class TeamParams:
    """The markets of a team, one for each learner, and who plays the other seats in them."""

    markets: tuple[Any, ...]
    is_scripted: Bool[Array, ""]
    """True: the rules. False: the other learners."""


@pytree
@dataclass(frozen=True)
class TeamState:
    """The learners' own states, in the order of the market's agents."""

    learners: tuple[Any, ...]
    updates: Int[Array, ""]


@pytree
@dataclass(frozen=True)
class Seated:
    """A trained network in a seat of the market: sees the agent's observation, acts in the market's action space."""

    network: NetworkPolicy
    choices: Float[Array, "choices *action"] | None
    """The action that each index of a discrete network stands for."""

    def init(self, params: Any) -> Any:
        return self.network.init(params)

    def act(self, stream: Stream | None, carry: Any, observation: Array) -> tuple[Array, Any]:
        # Markets may tell rules more than agents observe; it comes after the observation.
        size = self.network.spec.observation_shape[-1]
        action, carry = self.network.act(stream, carry, observation[..., :size])
        return action if self.choices is None else self.choices[action], carry


@pytree
@dataclass(frozen=True)
class Rival:
    """Who plays another seat: the rule or the learner, so that one program serves both."""

    rule: Policy
    learner: Seated
    is_scripted: Bool[Array, ""]

    def init(self, params: Any) -> tuple[Any, Any]:
        return self.rule.init(params), self.learner.init(params)

    def act(self, stream: Stream, carry: tuple[Any, Any], observation: Array) -> tuple[Array, tuple[Any, Any]]:
        by_rule, of_rule = self.rule.act(stream, carry[0], observation)
        learned, of_learner = self.learner.act(stream, carry[1], observation)
        return jnp.where(self.is_scripted, by_rule, learned), (of_rule, of_learner)


@dataclass(frozen=True)
class Member:
    """One learner of a team: its algorithm (``agents.registry.learners``) and what differs from its defaults."""

    algorithm: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)


class Team:
    """Learners of one market; ``rules[i]`` are what the other seats, in their order, play against learner i.

    An algorithm for discrete actions acts through the market's ``action_choices``. Raises ValueError for another number
    of members than agents, for members that take different numbers of steps an update, and what
    ``registry.make_learner`` raises.
    """

    def __init__(
        self,
        market: MultiAgentEnvironment[Any, Any, Any],
        members: Sequence[Member],
        rules: Sequence[Sequence[Policy]],
    ) -> None:
        if len(members) != len(market.agents):
            raise ValueError(f"members must be one for each of the {len(market.agents)} agents, got {len(members)}")
        self.market, self._rules = market, tuple(tuple(row) for row in rules)
        self._choices = tuple(self._table(registry.canonical(member.algorithm)) for member in members)
        alone = [seat(market, agent, list(row)) for agent, row in zip(market.agents, self._rules, strict=True)]
        models = [
            registry.make_learner(member.algorithm, self._env(i, alone[i]), **member.hyperparameters)
            for i, member in enumerate(members)
        ]
        begun = [_blank(_policy(model, env)) for model, env in zip(models, alone, strict=True)]
        self._seats = [
            seat(market, agent, self._rivals(i, begun, jnp.bool_(True))) for i, agent in enumerate(market.agents)
        ]
        self.learners = tuple(
            registry.make_learner(member.algorithm, self._env(i, self._seats[i]), **member.hyperparameters)
            for i, member in enumerate(members)
        )
        steps = sorted({learner.steps_per_update for learner in self.learners})
        if len(steps) > 1:
            raise ValueError(f"members must take equally many steps an update, got {steps}")

    @property
    def settings(self) -> LearnerSettings:
        """The first learner's hyper-parameters."""
        return self.learners[0].settings

    @property
    def steps_per_update(self) -> int:
        """Steps that each learner takes in its own copy of the market in an update."""
        return self.learners[0].steps_per_update

    def init(self, seed: int, params: TeamParams) -> TeamState:
        """The state before the first update. Learner i of n has the lanes of seed n * ``seed`` + i."""
        count = len(self.learners)
        seats = self._params(params, [[_blank(_policy(learner, seat)) for learner, seat in self._pairs()]] * count)
        states = [learner.init(count * seed + i, seats[i]) for i, learner in enumerate(self.learners)]
        return TeamState(tuple(states), jnp.zeros((), jnp.int32))

    def restart(self, state: TeamState, params: TeamParams) -> TeamState:
        """``state`` with a new episode begun in every lane of every learner."""
        seats = self.seat_params(state, params)
        states = [learner.restart(state.learners[i], seats[i]) for i, learner in enumerate(self.learners)]
        return replace(state, learners=tuple(states))

    def update(self, state: TeamState, params: TeamParams) -> tuple[TeamState, dict[str, Array]]:
        """Every learner's update, against the others as they were before; metrics are named agent/metric."""
        seats = self.seat_params(state, params)
        states: list[Any] = []
        metrics: dict[str, Array] = {}
        for i, learner in enumerate(self.learners):
            after, scalars = learner.update(state.learners[i], seats[i])
            states.append(after)
            metrics |= {f"{self.market.agents[i]}/{name}": scalar for name, scalar in scalars.items()}
        return replace(state, learners=tuple(states), updates=state.updates + 1), metrics

    def policy(self, state: TeamState) -> tuple[Seated, ...]:
        """The learners' policies, each for its own seat of the market."""
        return tuple(Seated(net, table) for net, table in zip(self._policies(state), self._choices, strict=True))

    def seat_params(self, state: TeamState, params: TeamParams) -> list[Any]:
        """What each learner is updated with: its market and, in the other seats, their rules or learners."""
        return self._params(params, [self._policies(state)] * len(self.learners))

    def _policies(self, state: TeamState) -> list[NetworkPolicy]:
        return [learner.policy(own) for learner, own in zip(self.learners, state.learners, strict=True)]  # type: ignore[misc]

    def _params(self, params: TeamParams, policies: Sequence[Sequence[NetworkPolicy]]) -> list[Any]:
        """The parameters of every learner's seat; ``policies[i]`` are everybody's, as learner i meets them."""
        return [
            self.market.seat_params(
                params.markets[i], jnp.int32(i), own.stacked(self._rivals(i, policies[i], params.is_scripted))
            )
            for i, own in enumerate(self._seats)
        ]

    def _rivals(self, i: int, policies: Sequence[NetworkPolicy], is_scripted: Bool[Array, ""]) -> list[Policy]:
        others = [j for j in range(len(self.market.agents)) if j != i]
        return [
            Rival(rule, Seated(policies[j], self._choices[j]), is_scripted)
            for rule, j in zip(self._rules[i], others, strict=True)
        ]

    def _table(self, algorithm: str) -> Array | None:
        """What a discrete algorithm's indices stand for; None for one that acts in the market's own space."""
        if algorithm != "dqn":
            return None
        choices: Array = self.market.action_choices(self.market.default_params)  # type: ignore[attr-defined]
        return choices

    def _env(self, i: int, own: Seat) -> Environment[Any, Any, Any]:
        return own if self._choices[i] is None else DiscreteSeat(own)

    def _pairs(self) -> list[tuple[Any, Seat]]:
        return list(zip(self.learners, self._seats, strict=True))


def _shapes(learner: Any, env: Seat) -> Any:
    return jax.eval_shape(lambda: learner.init(0, env.default_params))


def _policy(learner: Any, env: Seat) -> NetworkPolicy:
    policy: NetworkPolicy = learner.policy(_shapes(learner, env))
    return policy


def _blank(policy: NetworkPolicy) -> NetworkPolicy:
    """``policy`` with zeros for its arrays."""
    blank: NetworkPolicy = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), policy)
    return blank
