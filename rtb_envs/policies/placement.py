"""Rules of a publisher: how many ad slots to open in an event, from AdPlacement's observation.

Actions are int32 scalars, 0 to ``max_slots``. An observation tells a share of each scale; a rule takes the scales from
the market when an episode begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs import validation
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream
from rtb_envs.tracing import is_concrete

MARKETS = ("real", "classic")
Market = Literal["real", "classic"]
# Entries of AdPlacement's observation.
_TIME, _PRESSURE, _VIEWABILITY, _ROLLING_ECPM = 0, 1, 5, 7
MAX_THRESHOLD = 1e6
"""$ per thousand impressions, where the market's scale is not known yet."""


class PlacementEnvironment(Protocol):
    """What the rules are built from."""

    @property
    def config(self) -> Any:
        """Has ``market`` and ``max_slots``."""

    @property
    def default_params(self) -> Any:
        """Has ``horizon``, ``max_ecpm`` and ``numbers.pressure_scale``."""


class Scales(NamedTuple):
    """What observations of 1 stand for."""

    horizon: Float[Array, ""]
    pressure: Float[Array, ""]
    ecpm: Float[Array, ""]

    @classmethod
    def of(cls, params: Any) -> Scales:
        """Those of a market."""
        return cls(params.horizon.astype(float), params.numbers.pressure_scale, params.max_ecpm)


def _most_slots(env: PlacementEnvironment) -> int:
    """Slots that can be opened in one event; TypeError for what is no market of ad slots."""
    most: int | None = getattr(getattr(env, "config", None), "max_slots", None)
    if most is None:
        raise validation.wrong_type("env", "a market of ad slots, such as AdPlacement-v0", env)
    return most


@pytree
@dataclass(frozen=True)
class FixedPlacement:
    """Opens ``slots_per_open`` slots in events 0, n, 2n, ... with n = ``every_n_events``."""

    slots_per_open: Int[Array, ""]
    every_n_events: Int[Array, ""]

    @classmethod
    def for_env(
        cls, env: PlacementEnvironment, params: Any = None, *, slots_per_open: int = 1, every_n_events: int = 1
    ) -> FixedPlacement:
        """Raises TypeError or ValueError unless slots are in [0, max_slots] and events in [1, 100000], TypeError for an
        environment without ad slots, as all rules here do."""
        slots = validation.integer("slots_per_open", slots_per_open, 0, _most_slots(env))
        events = validation.integer("every_n_events", every_n_events, 1, 100_000)
        return cls(jnp.int32(slots), jnp.int32(events))

    def init(self, params: Any) -> Int[Array, ""]:
        return jnp.zeros((), jnp.int32)

    def act(self, stream: Stream, carry: Array, observation: Array) -> tuple[Array, Array]:
        is_due = carry % self.every_n_events == 0
        return jnp.where(is_due, self.slots_per_open, 0), carry + 1


@pytree
@dataclass(frozen=True)
class ThresholdPlacement:
    """Opens ``max_slots`` slots when the expected eCPM, the observation's, exceeds ``threshold_ecpm``, in $ per mille.

    Otherwise it opens one slot with the chance ``exploration``, so that it sees what prices have become. Without
    exploration a rule that has closed stays closed where the expected eCPM is an average that only sales change.
    """

    threshold_ecpm: Float[Array, ""]
    max_slots: Int[Array, ""]
    exploration: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: PlacementEnvironment,
        params: Any = None,
        *,
        threshold_ecpm: float = 2.0,
        max_slots: int | None = None,
        exploration: float | None = None,
    ) -> ThresholdPlacement:
        """``max_slots``: None is the market's. ``exploration`` in [0, 1]: None is .05, 0 in the classic market.

        Raises TypeError or ValueError for values out of range; thresholds are in [0, ``max_ecpm``], as the observation
        tells no higher eCPM.
        """
        most = _most_slots(env)
        highest = (env.default_params if params is None else params).max_ecpm
        largest = float(highest) if is_concrete(highest) else MAX_THRESHOLD
        slots = most if max_slots is None else validation.integer("max_slots", max_slots, 0, most)
        share = (0.0 if env.config.market == "classic" else 0.05) if exploration is None else exploration
        return cls(
            jnp.float32(validation.number("threshold_ecpm", threshold_ecpm, 0, largest)),
            jnp.int32(slots),
            jnp.float32(validation.number("exploration", share, 0, 1)),
        )

    def init(self, params: Any) -> Scales:
        return Scales.of(params)

    def act(self, stream: Stream, carry: Scales, observation: Array) -> tuple[Array, Scales]:
        is_worth_it = observation[_ROLLING_ECPM] * carry.ecpm > self.threshold_ecpm
        explores = stream.uniform() < self.exploration
        closed = jnp.where(explores, jnp.minimum(1, self.max_slots), 0)
        return jnp.where(is_worth_it, self.max_slots, closed), carry


@pytree
@dataclass(frozen=True)
class UtilityPlacement:
    """Opens the number of slots k that maximises expected revenue - lambda * annoyance, the fewest of equals.

    Expected revenue is k * viewability * eCPM / 1000, in $. Annoyance is proportional to pressure. Real market: each
    impression annoys by the pressure that it leaves, so that k slots annoy by v*k * (pressure + v*(k + 1)/2), v the
    viewability. Classic market: by the pressure that they add, v*k / max(1, t), the reason why lambda fades with t.
    """

    annoyance_weight: Float[Array, ""]
    """Lambda, in $ per unit of annoyance."""
    max_slots: Int[Array, ""]
    market: Market = field(metadata={"static": True})
    most_slots: int = field(metadata={"static": True})

    @classmethod
    def for_env(
        cls,
        env: PlacementEnvironment,
        params: Any = None,
        *,
        annoyance_weight: float = 1e-3,
        max_slots: int | None = None,
    ) -> UtilityPlacement:
        """``max_slots``: None is the market's. Raises TypeError or ValueError unless lambda is in [0, 1e6]."""
        most = _most_slots(env)
        slots = most if max_slots is None else validation.integer("max_slots", max_slots, 0, most)
        weight = validation.number("annoyance_weight", annoyance_weight, 0, 1e6)
        market = validation.choice("market", env.config.market, MARKETS)
        return cls(jnp.float32(weight), jnp.int32(slots), market, most)

    def init(self, params: Any) -> Scales:
        return Scales.of(params)

    def act(self, stream: Stream, carry: Scales, observation: Array) -> tuple[Array, Scales]:
        slots = jnp.arange(self.most_slots + 1)
        viewable = slots * observation[_VIEWABILITY]
        revenue = viewable * (observation[_ROLLING_ECPM] * carry.ecpm * 1e-3)
        utility = revenue - self.annoyance_weight * self._annoyance(slots, observation, carry)
        utility = jnp.where(slots <= self.max_slots, utility, -jnp.inf)
        return jnp.argmax(utility).astype(jnp.int32), carry

    def _annoyance(self, slots: Array, observation: Array, scales: Scales) -> Array:
        viewability = observation[_VIEWABILITY]
        if self.market == "classic":
            t = jnp.round(observation[_TIME] * scales.horizon)
            return slots * viewability / jnp.maximum(t, 1)
        pressure = observation[_PRESSURE] * scales.pressure
        return slots * viewability * (pressure + viewability * (slots + 1) / 2)
