"""Adaptive pacing: learn the price of the budget from what is spent."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

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

LARGEST_DUAL = 1e3


def paced_bid(value: ArrayLike, dual: ArrayLike) -> Float[Array, "*batch"]:
    """value / (1 + dual): the bid of Balseiro & Gur (Management Science 65(9), 2019), ``dual`` >= 0."""
    return jnp.asarray(value) / (1 + jnp.asarray(dual))


def next_dual(
    dual: ArrayLike, target_spend: ArrayLike, spend: ArrayLike, step_size: ArrayLike, largest_dual: ArrayLike
) -> Float[Array, "*batch"]:
    """clip(dual - step_size * (target_spend - spend), 0, largest_dual): their subgradient step on the budget's price.

    ``dual`` has no unit, ``step_size`` that of 1 / ``spend``.
    """
    return jnp.clip(dual - step_size * (jnp.asarray(target_spend) - spend), 0, largest_dual)


@pytree
@dataclass(frozen=True, kw_only=True)
class AdaptivePacing(PacingRule[Array]):
    """Balseiro & Gur's rule with a step of many auctions as its round; it remembers the dual.

    Bid multiplier = ``value_multiplier`` / (1 + dual), clipped to the market's range; ``value_multiplier`` is the
    multiplier at which a bid equals what the impression is worth. After each step the dual moves by ``step_size`` times
    what was spent beyond the plan, in units of budget / horizon. With ``plan="traffic"`` it is pacing by a spend plan:
    the target of a step follows its expected traffic (sources at ``PacingView.planned_budget``).
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
        initial_dual: float = 0.0,
        step_size: float | None = None,
        plan: SpendPlan = "even",
    ) -> Policy:
        """The rule for an environment's observation and actions, continuous or discrete.

        ``value_multiplier`` lies in (0, 1e6], ``initial_dual`` in [0, 1e3], ``step_size`` in (0, 1e3]; None is
        horizon**-0.5, the rate of the source. Raises TypeError or ValueError for other numbers, and what
        ``PacingView.for_env`` raises.
        """
        params = env.default_params if params is None else params
        rule = cls(
            view=PacingView.for_env(env, plan),
            value_multiplier=multiplier_setting("value_multiplier", value_multiplier),
            initial_dual=setting("initial_dual", initial_dual, 0, LARGEST_DUAL),
            step_size=step_size_setting("step_size", step_size, params),
        )
        return suited(rule, params)

    def start(self, market: Market) -> Array:
        return self.initial_dual

    def next_multiplier(self, market: Market, seen: Progress, memory: Array) -> tuple[Array, Array]:
        # In the first step nothing has been spent and nothing was planned, so the dual stays where it begins.
        spend, target = seen.spend / market.mean_spend, seen.planned_spend / market.mean_spend
        dual = next_dual(memory, target, spend, self.step_size, LARGEST_DUAL)
        return paced_bid(self.value_multiplier, dual), dual
