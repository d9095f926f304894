"""Adaptive pacing: learn the price of the budget from what is spent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from rtb_envs import validation
from rtb_envs.policies.pacing import PacingView, SpendPlan
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.random import Stream

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


class AdaptivePacingCarry(NamedTuple):
    """Memory of the rule within an episode."""

    planned_budget: Float[Array, "steps+1"]
    mean_spend: Float[Array, ""]
    """Budget over horizon: the unit in which spending is measured."""
    multiplier_low: Float[Array, ""]
    multiplier_high: Float[Array, ""]
    remaining_budget: Float[Array, ""]
    dual: Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AdaptivePacing:
    """Balseiro & Gur's rule with a step of many auctions as its round.

    Bid multiplier = ``value_multiplier`` / (1 + dual), clipped to the market's range; ``value_multiplier`` is the
    multiplier at which a bid equals what the impression is worth. After each step the dual moves by ``step_size`` times
    what was spent beyond the plan, in units of budget / horizon.
    """

    value_multiplier: Float[Array, ""]
    initial_dual: Float[Array, ""]
    step_size: Float[Array, ""]
    view: PacingView = field(metadata={"static": True})

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
        step_size = float(params.horizon) ** -0.5 if step_size is None else step_size
        rule = cls(
            jnp.float32(validation.number("value_multiplier", value_multiplier, 0, 1e6, open_low=True)),
            jnp.float32(validation.number("initial_dual", initial_dual, 0, LARGEST_DUAL)),
            jnp.float32(validation.number("step_size", step_size, 0, 1e3, open_low=True)),
            PacingView.for_env(env, plan),
        )
        return suited(rule, params)

    def init(self, params: BiddingParams) -> AdaptivePacingCarry:
        low, high = (jnp.asarray(bound, jnp.float32) for bound in (params.multiplier_low, params.multiplier_high))
        budget = jnp.asarray(params.initial_budget, jnp.float32)
        planned = self.view.planned_budget(params)
        return AdaptivePacingCarry(planned, budget / params.horizon, low, high, budget, self.initial_dual)

    def act(self, stream: Stream, carry: AdaptivePacingCarry, observation: Array) -> tuple[Array, AdaptivePacingCarry]:
        t, remaining = self.view.read(observation)
        spend = (carry.remaining_budget - remaining) / carry.mean_spend
        target = (carry.planned_budget[jnp.maximum(t - 1, 0)] - carry.planned_budget[t]) / carry.mean_spend
        # In the first step nothing has been spent and nothing was planned, so the dual stays where it begins.
        dual = next_dual(carry.dual, target, spend, self.step_size, LARGEST_DUAL)
        multiplier = jnp.clip(paced_bid(self.value_multiplier, dual), carry.multiplier_low, carry.multiplier_high)
        return multiplier[None], carry._replace(remaining_budget=remaining, dual=dual)
