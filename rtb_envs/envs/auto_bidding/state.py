"""What an AutoBidding market carries from tick to tick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.auto_bidding.noise import Tick
from rtb_envs.pytrees import pytree

RECENT = 3
"""Ticks that the recent means are taken over."""


class TickMeans(NamedTuple):
    """A tick's means over its opportunities, for each bidder."""

    bid: Float[Array, "agents"]
    """In currency."""
    least_winning_cost: Float[Array, "agents"]
    """In currency; the same for all."""
    value: Float[Array, "agents"]
    """The tick's level, of which values are cut to [0, 1]."""
    conversion: Float[Array, "agents"]
    win: Float[Array, "agents"]


@pytree
@dataclass(frozen=True)
class History:
    """What the past ticks were like."""

    total: TickMeans
    """Sums over all ticks."""
    recent: TickMeans
    """The last three ticks, each entry [3, agents], the latest first; zeros where there were fewer."""
    recent_opportunities: Int[Array, "3"]
    total_opportunities: Int[Array, ""]

    @classmethod
    def empty(cls, agents: int) -> History:
        none = jnp.zeros(agents, float)
        total = TickMeans(none, none, none, none, none)
        recent = jax.tree.map(lambda part: jnp.zeros((RECENT, agents), part.dtype), total)
        return cls(total, recent, jnp.zeros(RECENT, jnp.int32), jnp.zeros((), jnp.int32))

    def extended(self, tick: TickMeans, opportunities: Int[Array, ""]) -> History:
        """This history with one more tick."""
        total: TickMeans = jax.tree.map(jnp.add, self.total, tick)
        recent: TickMeans = jax.tree.map(_latest_first, self.recent, tick)
        latest = _latest_first(self.recent_opportunities, opportunities)
        return History(total, recent, latest, self.total_opportunities + opportunities)

    def means(self, ticks: Int[Array, ""]) -> tuple[TickMeans, TickMeans]:
        """Means over all of the ``ticks`` so far and over the last three of them; 0 before the first."""
        count = jnp.maximum(ticks, 1)
        share, recent_share = 1 / count.astype(float), 1 / jnp.minimum(count, RECENT).astype(float)
        every: TickMeans = jax.tree.map(lambda total: total * share, self.total)
        recent: TickMeans = jax.tree.map(lambda last: (last[0] + last[1] + last[2]) * recent_share, self.recent)
        return every, recent


def _latest_first(recent: Array, latest: Array) -> Array:
    return jnp.concatenate([latest[None], recent[:-1]])


@pytree
@dataclass(frozen=True)
class State:
    """One market in progress. Counts and money are int32, hence exact; money is in units (``config.UNITS``)."""

    t: Int[Array, ""]
    remaining_budget: Int[Array, "agents"]
    playing: Bool[Array, "agents"]
    """Who has neither left nor reached the end."""
    tick: Tick
    """The coming tick's traffic and levels."""
    conversion_factor: Float[Array, "agents"]
    """Hidden: true values over predicted ones."""
    history: History
    impression: Int[Array, "agents"]
    """Of the episode so far, as the next two."""
    conversion: Int[Array, "agents"]
    win: Int[Array, "agents"]
    tick_conversion: Int[Array, "agents"]
    """Of the last tick."""
