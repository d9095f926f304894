"""Learn the price of the budget from what is spent, by multiplying it."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs.policies.adaptive_pacing import LARGEST_DUAL, paced_bid
from rtb_envs.policies.pacing import (
    Market,
    PacingRule,
    PacingView,
    Progress,
    SpendPlan,
    multiplier_setting,
    setting,
    step_size_setting,
)
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree

SMALLEST_DUAL = 1e-4
"""A dual of 0 could never rise again; this one lowers bids by a ten-thousandth."""
LARGEST_EXPONENT = 50.0
"""More in one step would cross the whole range of duals."""


def next_entropy_dual(
    dual: ArrayLike, target_spend: ArrayLike, spend: ArrayLike, step_size: ArrayLike, largest_dual: ArrayLike
) -> Float[Array, "*batch"]:
    """clip(dual * exp(-step_size * (target_spend - spend)), SMALLEST_DUAL, largest_dual).

    The mirror descent step whose reference function is the negative entropy dual * log(dual): Balseiro, Lu and Mirrokni
    (arXiv 2011.10124, 2020). ``dual`` has no unit, ``step_size`` that of 1 / ``spend``.
    """
    exponent = jnp.clip(step_size * (jnp.asarray(spend) - target_spend), -LARGEST_EXPONENT, LARGEST_EXPONENT)
    return jnp.clip(dual * jnp.exp(exponent), SMALLEST_DUAL, largest_dual)


@pytree
@dataclass(frozen=True, kw_only=True)
class DualMirrorDescent(PacingRule[Array]):
    """Dual mirror descent with the entropy as its reference function; it remembers the dual.

    Bid multiplier = ``value_multiplier`` / (1 + dual) as in ``AdaptivePacing``, whose subgradient step is the same
    method with the Euclidean reference function dual**2 / 2. Here the dual is multiplied after each step by
    exp(``step_size`` * what was spent beyond the plan), in units of budget / horizon, so that it moves in proportion to
    itself: Balseiro, Lu and Mirrokni (arXiv 2011.10124, 2020).
    """

    value_multiplier: Float[Array, ""]
    initial_dual: Float[Array, ""]
    step_size: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        value_multiplier: float = 1.0,
        initial_dual: float = 1.0,
        step_size: float | None = None,
        plan: SpendPlan = "even",
    ) -> Policy:
        """The rule for an environment's observation and actions, continuous or discrete.

        ``value_multiplier`` lies in (0, 1e6], ``initial_dual`` in [1e-4, 1e3], ``step_size`` in (0, 1e3]; None is
        horizon**-0.5, the rate of the source. Raises TypeError or ValueError for other numbers, and what
        ``PacingView.for_env`` raises.
        """
        params = env.default_params if params is None else params
        rule = cls(
            view=PacingView.for_env(env, plan),
            value_multiplier=multiplier_setting("value_multiplier", value_multiplier),
            initial_dual=setting("initial_dual", initial_dual, SMALLEST_DUAL, LARGEST_DUAL),
            step_size=step_size_setting("step_size", step_size, params),
        )
        return suited(rule, params)

    def start(self, market: Market) -> Array:
        return self.initial_dual

    def next_multiplier(self, market: Market, seen: Progress, memory: Array) -> tuple[Array, Array]:
        spend, target = seen.spend / market.mean_spend, seen.planned_spend / market.mean_spend
        dual = next_entropy_dual(memory, target, spend, self.step_size, LARGEST_DUAL)
        return paced_bid(self.value_multiplier, dual), dual
