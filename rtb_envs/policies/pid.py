"""Feedback control of spending against a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.policies.pacing import PacingView, SpendPlan
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.random import Stream

LARGEST_ERROR = 1.0
"""The error is cut off here: near the end of an episode any rest of the budget is many times the planned one."""


class PIDCarry(NamedTuple):
    """Memory of the controller within an episode."""

    planned_budget: Float[Array, "steps+1"]
    multiplier_low: Float[Array, ""]
    multiplier_high: Float[Array, ""]
    error: Float[Array, ""]
    error_sum: Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PID:
    """Bid multiplier = base * exp(Kp e + Ki sum(e) + Kd (e - e before)): Zhang et al., WSDM 2016.

    The error e = remaining budget / planned remaining budget - 1 is measured at the start of every step: it is
    positive, and bids rise, when less than planned has been spent. The multiplier is clipped to the market's range.
    """

    base_multiplier: Float[Array, ""]
    proportional_gain: Float[Array, ""]
    integral_gain: Float[Array, ""]
    derivative_gain: Float[Array, ""]
    view: PacingView = field(metadata={"static": True})

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        base_multiplier: float = 1.0,
        proportional_gain: float = 0.15,
        integral_gain: float = 0.1,
        derivative_gain: float = 0.3,
        plan: SpendPlan = "even",
    ) -> Policy:
        """The controller for an environment's observation and actions, continuous or discrete.

        Gains are per step and lie in [-100, 100], ``base_multiplier`` in (0, 1e6]. Raises TypeError or ValueError for
        other numbers, and what ``PacingView.for_env`` raises.
        """
        rule = cls(
            jnp.float32(validation.number("base_multiplier", base_multiplier, 0, 1e6, open_low=True)),
            jnp.float32(validation.number("proportional_gain", proportional_gain, -100, 100)),
            jnp.float32(validation.number("integral_gain", integral_gain, -100, 100)),
            jnp.float32(validation.number("derivative_gain", derivative_gain, -100, 100)),
            PacingView.for_env(env, plan),
        )
        return suited(rule, env.default_params if params is None else params)

    def init(self, params: BiddingParams) -> PIDCarry:
        low, high = (jnp.asarray(bound, jnp.float32) for bound in (params.multiplier_low, params.multiplier_high))
        return PIDCarry(self.view.planned_budget(params), low, high, jnp.float32(0), jnp.float32(0))

    def act(self, stream: Stream, carry: PIDCarry, observation: Array) -> tuple[Array, PIDCarry]:
        t, remaining = self.view.read(observation)
        # A market without traffic to the end plans nothing for it: less than one unit of money is no plan to follow.
        error = jnp.clip(remaining / jnp.maximum(carry.planned_budget[t], 1.0) - 1, -1, LARGEST_ERROR)
        error_sum = carry.error_sum + error
        signal = (
            self.proportional_gain * error
            + self.integral_gain * error_sum
            + self.derivative_gain * (error - carry.error)
        )
        multiplier = self.base_multiplier * jnp.exp(signal)
        multiplier = jnp.clip(multiplier, carry.multiplier_low, carry.multiplier_high)
        return multiplier[None], carry._replace(error=error, error_sum=error_sum)
