"""Actions drawn evenly from the whole action space."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import jax.numpy as jnp
from gymnasium import spaces
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.action_scale import ActionScale, check_bounds, logarithmic
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


class ActingEnvironment(Protocol):
    """What the rule is built from."""

    @property
    def default_params(self) -> Any:
        """The numbers of the world as configured."""

    @property
    def action_scale(self) -> ActionScale:
        """How to spread over a Box of actions."""

    def action_space(self, params: Any) -> spaces.Space[Any]:
        """The actions that the environment takes."""


@pytree
@dataclass(frozen=True)
class UniformRandom:
    """Each entry independent and uniform over [low, high]: itself, its logarithm, or, for "integer", its whole numbers.

    ``low`` and ``high`` have the shape of the action; logarithms need ``low`` > 0. ``scale`` may name the spread of
    each entry along the last axis.
    """

    low: Float[Array, "*action"]
    high: Float[Array, "*action"]
    scale: ActionScale | Literal["integer"] = field(metadata={"static": True})

    @classmethod
    def for_env(cls, env: ActingEnvironment, params: Any = None) -> UniformRandom:
        """The rule for a Discrete or a bounded Box action space.

        A Box is filled as the environment's ``action_scale`` says. Raises TypeError for another kind of space and
        ValueError for a Box without finite bounds, or without positive ones where the scale is "log".
        """
        space = env.action_space(env.default_params if params is None else params)
        if isinstance(space, spaces.Discrete):
            first = int(space.start)
            return cls(jnp.float32(first), jnp.float32(first + int(space.n) - 1), "integer")
        if not isinstance(space, spaces.Box):
            raise validation.wrong_type("action space", "a Discrete or a Box", space)
        check_bounds("action space", space, env.action_scale)
        return cls(jnp.asarray(space.low, jnp.float32), jnp.asarray(space.high, jnp.float32), env.action_scale)

    def init(self, params: Any) -> tuple[()]:
        return ()

    def act(self, stream: Stream, carry: tuple[()], observation: Array) -> tuple[Array, tuple[()]]:
        uniform = stream.uniform(jnp.arange(self.low.size)).reshape(self.low.shape)
        if self.scale == "integer":
            drawn = self.low + jnp.floor(uniform * (self.high - self.low + 1))
            return drawn.astype(jnp.int32), carry
        log = logarithmic(self.scale, self.low.shape)
        log_ratio = jnp.log(jnp.where(log, self.high / self.low, 1.0))
        linear = self.low + uniform * (self.high - self.low)
        drawn = jnp.where(log, self.low * jnp.exp(uniform * log_ratio), linear)
        return jnp.clip(drawn, self.low, self.high), carry

    def log_propensity(self, carry: tuple[()], observation: Array, action: Array) -> Float[Array, ""]:
        """Natural logarithm of the action's probability, or of its density in a Box; nothing is checked."""
        if self.scale == "integer":
            return -jnp.sum(jnp.log(self.high - self.low + 1))
        log = logarithmic(self.scale, self.low.shape)
        # Of a linear entry the logarithm is not read, but must not be NaN or infinite either.
        log_ratio = jnp.log(jnp.where(log, self.high / self.low, math.e))
        log_width = jnp.where(log, jnp.log(jnp.where(log, action, 1.0)) + jnp.log(log_ratio), 0.0)
        return -jnp.sum(jnp.where(log, log_width, jnp.log(self.high - self.low)))
