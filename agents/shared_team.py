"""A team whose seats are all played by one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from jax import Array

from agents.team import Member, Team, TeamParams, TeamState
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.policies.policy import Policy

NETWORK = ("weights", "target_weights", "optimizer", "observations")
"""What belongs to the network in the states of learners, and not to the seat that they play."""


class SharedTeam(Team):
    """A ``Team`` of one network: every seat's learner takes it over from the one before, improves it, hands it on.

    So an update of the team is as many updates of the network as there are seats, each from what the network has just
    met in that seat. The scale of rewards is shared with it, as its values are in that scale; episodes in progress and
    replays stay with their seats.
    """

    def __init__(
        self,
        market: MultiAgentEnvironment[Any, Any, Any],
        member: Member,
        rules: Sequence[Sequence[Policy]],
    ) -> None:
        """Raises what ``Team`` raises."""
        super().__init__(market, [member] * len(market.agents), rules)

    def init(self, seed: int, params: TeamParams) -> TeamState:
        begun = super().init(seed, params)
        return replace(begun, learners=tuple(_taking_over(own, begun.learners[0]) for own in begun.learners))

    def update(self, state: TeamState, params: TeamParams) -> tuple[TeamState, dict[str, Array]]:
        """Every seat's update, one after another, against the network as it was before; metrics as ``Team.update``."""
        seats = self.seat_params(state, params)
        newest = state.learners[-1]
        states: list[Any] = []
        metrics: dict[str, Array] = {}
        for i, learner in enumerate(self.learners):
            newest, scalars = learner.update(_taking_over(state.learners[i], newest), seats[i])
            states.append(newest)
            metrics |= {f"{self.market.agents[i]}/{name}": scalar for name, scalar in scalars.items()}
        learners = tuple(_taking_over(own, newest) for own in states)
        return replace(state, learners=learners, updates=state.updates + 1), metrics


def _taking_over(own: Any, other: Any) -> Any:
    """The learner's state ``own`` with the network of ``other``, and the scale of rewards that it was trained in."""
    network = {field.name: getattr(other, field.name) for field in fields(own) if field.name in NETWORK}
    return replace(own, **network, rewards=replace(own.rewards, moments=other.rewards.moments))
