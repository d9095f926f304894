"""Feedback control of what is spent for the traffic seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.pacing import (
    PRICE_BIN,
    Market,
    PacingRule,
    PacingView,
    Progress,
    SpendPlan,
    multiplier_setting,
    setting,
)
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree

LARGEST_FALL, LARGEST_RISE = 7.0, 4.0
"""Bins that a bid moves in one step at most."""
FIRST_NIGHT_HOUR, FIRST_DAY_HOUR = 1, 7
SMALLEST_TRAFFIC = 0.005
"""Share of the episode's traffic below which none is taken to have been seen."""


class TrafficAwarePIDMemory(NamedTuple):
    """Memory of the controller within an episode."""

    multiplier: Float[Array, ""]
    error: Float[Array, ""]
    error_integral: Float[Array, ""]


@pytree
@dataclass(frozen=True, kw_only=True)
class TrafficAwarePID(PacingRule[TrafficAwarePIDMemory]):
    """Multiplier = the last one times 1.2**clip(u, -7, 4): TA-PID of BAT (Khirianova et al., WWW 2025).

    With F the share of the episode's traffic seen and dF that of the last step, the error is e = 1 - (share of the
    budget spent) / F, and u = Kp e + Ki sum(e dF) + Kd (e - e before) / dF. At night, hours 1 to 6 of an episode taken
    as one day, u is multiplied by ``night_factor``. Bids stay in the first two steps, before an error can be compared,
    and after a step without traffic. The source measures the error in money per traffic; here it is in units of
    budget / traffic, so that gains do not depend on the budget.
    """

    base_multiplier: Float[Array, ""]
    proportional_gain: Float[Array, ""]
    integral_gain: Float[Array, ""]
    derivative_gain: Float[Array, ""]
    night_factor: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        base_multiplier: float = 1.0,
        proportional_gain: float = 1.0,
        integral_gain: float = 0.1,
        derivative_gain: float = 0.06,
        night_factor: float = 0.2,
        plan: SpendPlan = "traffic",
    ) -> Policy:
        """The controller for an environment's observation and actions, continuous or discrete.

        ``base_multiplier``, that of the first step, lies in (0, 1e6], gains in [-100, 100], ``night_factor`` in [0, 1].
        Raises TypeError or ValueError for other numbers, and what ``PacingView.for_env`` raises.
        """
        rule = cls(
            view=PacingView.for_env(env, plan),
            base_multiplier=multiplier_setting("base_multiplier", base_multiplier),
            proportional_gain=setting("proportional_gain", proportional_gain, -100, 100),
            integral_gain=setting("integral_gain", integral_gain, -100, 100),
            derivative_gain=setting("derivative_gain", derivative_gain, -100, 100),
            night_factor=setting("night_factor", night_factor, 0, 1),
        )
        return suited(rule, env.default_params if params is None else params)

    def start(self, market: Market) -> TrafficAwarePIDMemory:
        return TrafficAwarePIDMemory(market.clip(self.base_multiplier), jnp.float32(0), jnp.float32(0))

    def next_multiplier(
        self, market: Market, seen: Progress, memory: TrafficAwarePIDMemory
    ) -> tuple[Array, TrafficAwarePIDMemory]:
        traffic, step_traffic = 1 - seen.planned_budget / market.budget, seen.planned_spend / market.budget
        spent = 1 - seen.remaining_budget / market.budget
        error = 1 - spent / jnp.maximum(traffic, SMALLEST_TRAFFIC)
        error_integral = memory.error_integral + error * step_traffic
        signal = (
            self.proportional_gain * error
            + self.integral_gain * error_integral
            + self.derivative_gain * (error - memory.error) / jnp.maximum(step_traffic, SMALLEST_TRAFFIC)
        )
        hour = 24 * seen.step / market.horizon
        at_night = (hour >= FIRST_NIGHT_HOUR) & (hour < FIRST_DAY_HOUR)
        signal = jnp.where(at_night, self.night_factor * signal, signal)
        bins = jnp.where((seen.step >= 2) & (step_traffic > 0), jnp.clip(signal, -LARGEST_FALL, LARGEST_RISE), 0.0)
        multiplier = market.clip(memory.multiplier * PRICE_BIN**bins)
        return multiplier, TrafficAwarePIDMemory(multiplier, error, error_integral)
