"""Exploration around a rule: stochastic policies, with exact propensities, that log data for off-policy evaluation.

Each wraps a rule that draws nothing itself. Every action of the space keeps a positive propensity, so that any target
policy can be evaluated on what they log.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Float, Int

from rtb_envs import validation
from rtb_envs.action_scale import ActionScale, check_bounds, logarithmic
from rtb_envs.policies.policy import Policy
from rtb_envs.policies.uniform_random import ActingEnvironment
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

NO_STREAM = cast(Stream, None)
"""What the rule inside is given for a stream: it may not draw."""
LARGEST_STD = 10.0
_LOG_SQRT_TWO_PI = math.log(2 * math.pi) / 2


class ExploredEnvironment(ActingEnvironment, Protocol):
    """What exploration is built from."""

    def observation_space(self, params: Any) -> spaces.Space[Any]:
        """The observations that the rule is given."""


@pytree
@dataclass(frozen=True)
class EpsilonGreedy:
    """The rule's action, but with probability ``epsilon`` one drawn evenly from all ``count`` discrete actions.

    With ``epsilon`` 0 it is the rule itself, as a target to be evaluated.
    """

    rule: Policy
    epsilon: Float[Array, ""]
    count: int = field(metadata={"static": True})
    start: int = field(default=0, metadata={"static": True})

    @classmethod
    def for_env(
        cls, env: ExploredEnvironment, rule: Policy, params: Any = None, *, epsilon: float = 0.1
    ) -> EpsilonGreedy:
        """``rule`` with exploration, ``epsilon`` in [0, 1].

        Raises TypeError unless the actions are Discrete, ValueError for another ``epsilon`` or a rule that draws.
        """
        space = _discrete(env, rule, params)
        epsilon = validation.number("epsilon", epsilon, 0, 1)
        return cls(rule, jnp.float32(epsilon), int(space.n), int(space.start))

    def init(self, params: Any) -> Any:
        return self.rule.init(params)

    def act(self, stream: Stream, carry: Any, observation: Array) -> tuple[Int[Array, ""], Any]:
        greedy, carry = self.rule.act(NO_STREAM, carry, observation)
        other = self.start + jnp.floor(stream.uniform(0, 1) * self.count).astype(jnp.int32)
        return jnp.where(stream.uniform(0, 0) < self.epsilon, other, greedy), carry

    def log_propensity(self, carry: Any, observation: Array, action: Int[Array, ""]) -> Float[Array, ""]:
        greedy, _ = self.rule.act(NO_STREAM, carry, observation)
        return jnp.log(jnp.where(action == greedy, 1 - self.epsilon, 0) + self.epsilon / self.count)


@pytree
@dataclass(frozen=True)
class SoftmaxExploration:
    """Discrete actions the likelier, the nearer their multiplier is to that of the rule's action.

    The propensity of an action of multiplier m is proportional to ``exp(-(ln m - ln r)**2 / (2 log_std**2))``, r the
    rule's: a log-normal law on the grid of multipliers.
    """

    rule: Policy
    log_std: Float[Array, ""]
    log_meanings: Float[Array, "actions"]

    @classmethod
    def for_env(
        cls, env: ExploredEnvironment, rule: Policy, params: Any = None, *, log_std: float = 0.3
    ) -> SoftmaxExploration:
        """``rule`` with exploration, ``log_std`` in (0, 10].

        Raises TypeError unless the actions are Discrete; ValueError where they mean no multipliers
        (``params.action_meanings``), for another ``log_std``, or for a rule that draws.
        """
        _discrete(env, rule, params)
        chosen = env.default_params if params is None else params
        meanings = getattr(chosen, "action_meanings", None)
        if meanings is None:
            raise validation.wrong_value("action_meanings", "the multiplier of each action", meanings)
        log_std = validation.number("log_std", log_std, 0, LARGEST_STD, open_low=True)
        return cls(rule, jnp.float32(log_std), jnp.log(jnp.asarray(meanings, jnp.float32)))

    def init(self, params: Any) -> Any:
        return self.rule.init(params)

    def act(self, stream: Stream, carry: Any, observation: Array) -> tuple[Int[Array, ""], Any]:
        greedy, carry = self.rule.act(NO_STREAM, carry, observation)
        below = jnp.cumsum(jnp.exp(self._log_propensities(greedy)))
        # By inversion: the number of cumulative probabilities, but the last, which is 1, that lie below the draw.
        return jnp.sum(below[:-1] <= stream.uniform()).astype(jnp.int32), carry

    def log_propensity(self, carry: Any, observation: Array, action: Int[Array, ""]) -> Float[Array, ""]:
        greedy, _ = self.rule.act(NO_STREAM, carry, observation)
        return self._log_propensities(greedy)[action]

    def _log_propensities(self, greedy: Int[Array, ""]) -> Float[Array, "actions"]:
        distance = (self.log_meanings - self.log_meanings[greedy]) / self.log_std
        return jax.nn.log_softmax(-(distance**2) / 2)


@pytree
@dataclass(frozen=True)
class GaussianExploration:
    """Noise around each entry of the rule's action, inside [low, high]: a normal law truncated to the action space.

    ``scale`` "log": of the logarithm, so the noise on a bid multiplier is log-normal and ``std`` is that of ln(action);
    "linear": of the action itself; a tuple: of each entry along the last axis. Truncation, unlike clipping, puts no
    mass on the bounds: every action has a density.
    """

    rule: Policy
    std: Float[Array, ""]
    low: Float[Array, "*action"]
    high: Float[Array, "*action"]
    scale: ActionScale = field(metadata={"static": True})

    @classmethod
    def for_env(
        cls, env: ExploredEnvironment, rule: Policy, params: Any = None, *, std: float = 0.3
    ) -> GaussianExploration:
        """``rule`` with exploration on the environment's ``action_scale``, ``std`` positive.

        Raises TypeError unless the actions are a Box of floats; ValueError for a Box without finite bounds or, on a
        logarithmic scale, without positive ones, for a ``std`` that is not in (0, 1e6], or for a rule that draws.
        """
        space = env.action_space(env.default_params if params is None else params)
        if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
            raise validation.wrong_type("action space", "a Box of floats", space)
        check_bounds("action space", space, env.action_scale)
        std = validation.number("std", std, 0, 1e6, open_low=True)
        _check_draws_nothing(env, rule, params)
        low, high = jnp.asarray(space.low, jnp.float32), jnp.asarray(space.high, jnp.float32)
        return cls(rule, jnp.float32(std), low, high, env.action_scale)

    def init(self, params: Any) -> Any:
        return self.rule.init(params)

    def act(self, stream: Stream, carry: Any, observation: Array) -> tuple[Float[Array, "*action"], Any]:
        greedy, carry = self.rule.act(NO_STREAM, carry, observation)
        mean, below, above = self._standardised(greedy)
        uniform = stream.uniform(jnp.arange(self.low.size)).reshape(self.low.shape)
        share = ndtr(below) + uniform * (ndtr(above) - ndtr(below))
        drawn = mean + self.std * jnp.clip(ndtri(share), below, above)
        log = logarithmic(self.scale, self.low.shape)
        return jnp.clip(jnp.where(log, jnp.exp(jnp.where(log, drawn, 0.0)), drawn), self.low, self.high), carry

    def log_propensity(self, carry: Any, observation: Array, action: Float[Array, "*action"]) -> Float[Array, ""]:
        greedy, _ = self.rule.act(NO_STREAM, carry, observation)
        mean, below, above = self._standardised(greedy)
        position = self._on_scale(action)
        inside = jnp.log(self.std * (ndtr(above) - ndtr(below)))
        log_density = -(((position - mean) / self.std) ** 2) / 2 - _LOG_SQRT_TWO_PI - inside
        # The density of the action is that of its logarithm over the action.
        return jnp.sum(log_density - jnp.where(logarithmic(self.scale, self.low.shape), position, 0.0))

    def _on_scale(self, action: Array) -> Array:
        log = logarithmic(self.scale, self.low.shape)
        return jnp.where(log, jnp.log(jnp.where(log, action, 1.0)), action)

    def _standardised(self, greedy: Array) -> tuple[Array, Array, Array]:
        """The law's mean, which lies inside the bounds, and the bounds in standard deviations from it."""
        mean = self._on_scale(jnp.clip(greedy, self.low, self.high))
        below, above = ((self._on_scale(bound) - mean) / self.std for bound in (self.low, self.high))
        return mean, below, above


def _discrete(env: ExploredEnvironment, rule: Policy, params: Any) -> spaces.Discrete:
    """The environment's action space; TypeError unless it is Discrete."""
    space = env.action_space(env.default_params if params is None else params)
    if not isinstance(space, spaces.Discrete):
        raise validation.wrong_type("action space", "Discrete", space)
    _check_draws_nothing(env, rule, params)
    return space


def _check_draws_nothing(env: ExploredEnvironment, rule: Policy, params: Any) -> None:
    """Raise ValueError for a rule that needs a stream: its propensities would be unknown."""
    chosen = env.default_params if params is None else params
    shape = env.observation_space(chosen).shape

    def act(observation: Array) -> Array:
        return rule.act(NO_STREAM, rule.init(chosen), observation)[0]

    try:
        jax.eval_shape(act, jax.ShapeDtypeStruct(shape or (), jnp.float32))
    except AttributeError as error:
        raise validation.wrong_value("rule", "a policy that draws nothing itself", rule) from error
