"""Steer by the distance to a target spending curve and by how fast it is closing."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.pacing import Market, PacingRule, PacingView, Progress, SpendPlan, multiplier_setting, setting
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree

LARGEST_ERROR_WEIGHT = 0.9
ERROR_WEIGHT_PER_STEP = 0.2


@pytree
@dataclass(frozen=True, kw_only=True)
class Mystique(PacingRule[Array]):
    """Multiplier -= base * (w c(error) + (1 - w) c'(gradient error)): Yahoo's Mystique (WWW 2024) as BAT states it.

    The target curve spends the budget in proportion to traffic. The error is what was spent beyond it, the gradient
    error what the last step spent beyond the curve's step, both in units of budget / horizon. c(e) is
    ``largest_change`` * e / ``error_range``, ``largest_change`` at most, and c' likewise but ``smallest_change`` at
    least, each with the sign of its error. With tau = - error / gradient error, the steps in which the error closes by
    itself, w = min(0.9, 0.2 tau), and 1/2 if it grows (tau < 0). BAT (Khirianova et al., 2025) moves bids in money,
    every third hour; here changes are shares of the base multiplier, in every step. It remembers the multiplier.
    """

    base_multiplier: Float[Array, ""]
    largest_change: Float[Array, ""]
    smallest_change: Float[Array, ""]
    error_range: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        base_multiplier: float = 1.0,
        largest_change: float = 0.2,
        smallest_change: float = 0.02,
        error_range: float = 1.0,
        plan: SpendPlan = "traffic",
    ) -> Policy:
        """The rule for an environment's observation and actions, continuous or discrete.

        ``base_multiplier``, that of the first step, lies in (0, 1e6], ``largest_change`` in (0, 1e3],
        ``smallest_change`` in [0, 1e3], ``error_range``, the error in steps' budgets of which on the change is the
        largest, in (0, 1e3]. Raises TypeError or ValueError for other numbers, and what ``PacingView.for_env`` raises.
        """
        rule = cls(
            view=PacingView.for_env(env, plan),
            base_multiplier=multiplier_setting("base_multiplier", base_multiplier),
            largest_change=setting("largest_change", largest_change, 0, 1e3, open_low=True),
            smallest_change=setting("smallest_change", smallest_change, 0, 1e3),
            error_range=setting("error_range", error_range, 0, 1e3, open_low=True),
        )
        return suited(rule, env.default_params if params is None else params)

    def start(self, market: Market) -> Array:
        return market.clip(self.base_multiplier)

    def next_multiplier(self, market: Market, seen: Progress, memory: Array) -> tuple[Array, Array]:
        error = (seen.planned_budget - seen.remaining_budget) / market.mean_spend
        gradient_error = (seen.spend - seen.planned_spend) / market.mean_spend
        steps_to_close = -error / jnp.where(gradient_error == 0, 1.0, gradient_error)
        weight = jnp.where(
            gradient_error == 0,
            LARGEST_ERROR_WEIGHT,
            jnp.minimum(LARGEST_ERROR_WEIGHT, ERROR_WEIGHT_PER_STEP * steps_to_close),
        )
        weight = jnp.where(steps_to_close < 0, 0.5, weight)
        change = jnp.minimum(self.largest_change * jnp.abs(error) / self.error_range, self.largest_change)
        gradient_change = jnp.minimum(
            self.largest_change * jnp.abs(gradient_error) / self.error_range, self.largest_change
        )
        gradient_change = jnp.maximum(gradient_change, self.smallest_change)
        step = weight * change * jnp.sign(error) + (1 - weight) * gradient_change * jnp.sign(gradient_error)
        multiplier = market.clip(memory - self.base_multiplier * step)
        return multiplier, multiplier
