"""Feedback control of spending against a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.pacing import Market, PacingRule, PacingView, Progress, SpendPlan, multiplier_setting, setting
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree

LARGEST_ERROR = 1.0
"""The error is cut off here: near the end of an episode any rest of the budget is many times the planned one."""


def control_signal(gains: tuple[Array, Array, Array], error: Array, error_sum: Array, error_before: Array) -> Array:
    """Kp e + Ki sum(e) + Kd (e - e before) with ``gains`` = (Kp, Ki, Kd): what every PID controller here acts by."""
    proportional, integral, derivative = gains
    return proportional * error + integral * error_sum + derivative * (error - error_before)


class PIDMemory(NamedTuple):
    """Memory of the controller within an episode."""

    error: Float[Array, ""]
    error_sum: Float[Array, ""]


@pytree
@dataclass(frozen=True, kw_only=True)
class PID(PacingRule[PIDMemory]):
    """Bid multiplier = base * exp(Kp e + Ki sum(e) + Kd (e - e before)): Zhang et al., WSDM 2016.

    The error e = remaining budget / planned remaining budget - 1 is measured at the start of every step: it is
    positive, and bids rise, when less than planned has been spent. The multiplier is clipped to the market's range.
    """

    base_multiplier: Float[Array, ""]
    proportional_gain: Float[Array, ""]
    integral_gain: Float[Array, ""]
    derivative_gain: Float[Array, ""]

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
            view=PacingView.for_env(env, plan),
            base_multiplier=multiplier_setting("base_multiplier", base_multiplier),
            proportional_gain=setting("proportional_gain", proportional_gain, -100, 100),
            integral_gain=setting("integral_gain", integral_gain, -100, 100),
            derivative_gain=setting("derivative_gain", derivative_gain, -100, 100),
        )
        return suited(rule, env.default_params if params is None else params)

    def start(self, market: Market) -> PIDMemory:
        return PIDMemory(jnp.float32(0), jnp.float32(0))

    def next_multiplier(self, market: Market, seen: Progress, memory: PIDMemory) -> tuple[Array, PIDMemory]:
        # A market without traffic to the end plans nothing for it: less than one unit of money is no plan to follow.
        error = jnp.clip(seen.remaining_budget / jnp.maximum(seen.planned_budget, 1.0) - 1, -1, LARGEST_ERROR)
        error_sum = memory.error_sum + error
        gains = self.proportional_gain, self.integral_gain, self.derivative_gain
        signal = control_signal(gains, error, error_sum, memory.error)
        return self.base_multiplier * jnp.exp(signal), PIDMemory(error, error_sum)
