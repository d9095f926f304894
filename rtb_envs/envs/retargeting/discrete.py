"""A seat whose actions are the numbers of a table."""

from __future__ import annotations

from typing import Any

import gymnasium
import jax.numpy as jnp
from jax import Array

from rtb_envs.core import Environment, Info
from rtb_envs.multi_agent import SeatParams
from rtb_envs.seat import Seat, SeatNoise, SeatState


class DiscreteSeat(Environment[SeatParams[Any], SeatState, SeatNoise]):
    """``base`` with an index into ``action_choices`` as its action, for learners such as DQN.

    With M opportunities a step the action holds M indices.
    """

    def __init__(self, base: Seat) -> None:
        self.base = base
        self.id = base.id
        self.agent = base.agent
        self.render_panels = base.render_panels

    def __eq__(self, other: object) -> bool:
        """Discrete seats over equal ones share compiled programs."""
        return isinstance(other, DiscreteSeat) and other.base == self.base

    def __hash__(self) -> int:
        return hash((DiscreteSeat, self.base))

    @property
    def action_factors(self) -> tuple[int, ...]:
        """How many choices of each kind an index stands for, in the order of the table's columns."""
        factors: tuple[int, ...] = self.base.core.action_factors  # type: ignore[attr-defined]
        return factors

    @property
    def config(self) -> Any:
        """The static configuration of the market."""
        return self.base.config

    @property
    def default_params(self) -> SeatParams[Any]:
        return self.base.default_params

    def action_choices(self, params: SeatParams[Any]) -> Array:
        """The actions [240, 3] that the indices stand for."""
        choices: Array = self.base.core.action_choices(params.market)  # type: ignore[attr-defined]
        return choices

    def observation_space(self, params: SeatParams[Any]) -> gymnasium.spaces.Space[Any]:
        return self.base.observation_space(params)

    def action_space(self, params: SeatParams[Any]) -> gymnasium.spaces.Space[Any]:
        size = self.action_choices(params).shape[0]
        shape = self.base.action_space(params).shape or ()
        return gymnasium.spaces.Discrete(size) if len(shape) == 1 else gymnasium.spaces.MultiDiscrete([size] * shape[0])

    def reset_noise(self, key: Array, params: SeatParams[Any]) -> SeatNoise:
        return self.base.reset_noise(key, params)

    def initial(self, noise: SeatNoise, params: SeatParams[Any]) -> SeatState:
        return self.base.initial(noise, params)

    def noise(self, key: Array, state: SeatState, params: SeatParams[Any]) -> SeatNoise:
        return self.base.noise(key, state, params)

    def transition(
        self, state: SeatState, action: Array, noise: SeatNoise, params: SeatParams[Any]
    ) -> tuple[SeatState, Array, Array, Array, Info]:
        choices = self.action_choices(params)
        index = jnp.clip(action.astype(jnp.int32), 0, choices.shape[0] - 1)
        return self.base.transition(state, choices[index], noise, params)

    def observe(self, state: SeatState, params: SeatParams[Any]) -> Array:
        return self.base.observe(state, params)
