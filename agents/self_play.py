"""A team that also meets its own past: a pool of each learner's earlier policies, to play the other seats.

Learners that meet only each other's newest policies may go round in circles, each forgetting how to meet what the
others no longer do; fictitious self-play (Heinrich, Lanctot & Silver, "Fictitious Self-Play in Extensive-Form Games",
ICML 2015) meets the average of the past instead. Here a share of the rivals is drawn from it (as Bansal et al.,
"Emergent Complexity via Multi-Agent Competition", ICLR 2018, do).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from agents.network_policy import NetworkPolicy
from agents.team import Member, Team, TeamParams, TeamState
from rtb_envs import validation
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.policies.policy import Policy
from rtb_envs.pytrees import pytree

RIVALS = 5
"""Purpose of the draws of rivals, apart from the lanes of ``rtb_envs.random`` and the learners' own randomness."""


@dataclass(frozen=True)
class Pool:
    """How a team meets its past.

    Every ``period`` updates each learner's policy enters its pool, which keeps the last ``size`` of them. In an update
    each rival of each learner is, with probability ``share``, one of its pool, drawn evenly, and else the newest.
    """

    size: int = 8
    period: int = 25
    share: float = 0.5

    def validate(self) -> None:
        """Raise ValueError or TypeError for what can not be."""
        validation.integer("size of the pool", self.size, 1, 1000)
        validation.integer("period of the pool", self.period, 1, 2**31 - 1)
        validation.number("share of the pool", self.share, 0, 1)


@pytree
@dataclass(frozen=True)
class PooledTeamState(TeamState):
    """``TeamState``, each learner's earlier policies [size, ...], and the key of the draws of rivals."""

    past: tuple[NetworkPolicy, ...]
    key: Array


class SelfPlayTeam(Team):
    """A ``Team`` whose learners, where they meet each other, meet each other's earlier policies too.

    Raises what ``Team`` raises, and ValueError or TypeError for a wrong ``pool``.
    """

    def __init__(
        self,
        market: MultiAgentEnvironment[Any, Any, Any],
        members: Sequence[Member],
        rules: Sequence[Sequence[Policy]],
        pool: Pool,
    ) -> None:
        pool.validate()
        self._pool = pool
        super().__init__(market, members, rules)

    def init(self, seed: int, params: TeamParams) -> PooledTeamState:
        begun = super().init(seed, params)
        size = self._pool.size
        past = [jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *x.shape)), own) for own in self._policies(begun)]
        return PooledTeamState(
            begun.learners, begun.updates, tuple(past), jax.random.fold_in(jax.random.key(seed), RIVALS)
        )

    def update(self, state: TeamState, params: TeamParams) -> tuple[TeamState, dict[str, Array]]:
        """As ``Team.update``; then the policies enter the pool if it is time."""
        assert isinstance(state, PooledTeamState)
        after, metrics = super().update(state, params)
        due = after.updates % self._pool.period == 0
        place = (after.updates // self._pool.period - 1) % self._pool.size

        def enter(kept: Array, newest: Array) -> Array:
            return kept.at[place].set(jnp.where(due, newest, kept[place]))

        newest = self._policies(after)
        past = tuple(jax.tree.map(enter, kept, own) for kept, own in zip(state.past, newest, strict=True))
        return replace(after, past=past), metrics  # type: ignore[call-arg]

    def seat_params(self, state: TeamState, params: TeamParams) -> list[Any]:
        assert isinstance(state, PooledTeamState)
        newest = self._policies(state)
        count = len(newest)
        # A pool that is not full yet is drawn from as far as it has been filled.
        filled = jnp.minimum(state.updates // self._pool.period, self._pool.size)
        kind, place = jax.random.split(jax.random.fold_in(state.key, state.updates))
        is_past = (jax.random.uniform(kind, (count, count)) < self._pool.share) & (filled > 0)
        places = jax.random.randint(place, (count, count), 0, jnp.maximum(filled, 1))

        def met(i: int, j: int) -> NetworkPolicy:
            """Learner j's policy as learner i meets it."""
            drawn: NetworkPolicy = jax.tree.map(
                lambda now, past: jnp.where(is_past[i, j], past[places[i, j]], now), newest[j], state.past[j]
            )
            return drawn

        return self._params(params, [[met(i, j) for j in range(count)] for i in range(count)])
