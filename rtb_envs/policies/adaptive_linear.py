"""Extrapolate the balance to the end of the campaign and spend what would be left."""

from __future__ import annotations

from dataclasses import dataclass

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

LARGEST_CHANGE = 5.0
"""Bins that a bid moves in one step at most."""
QUIET = 0.5
"""A step with less than this share of the mean traffic tells too little to act on."""


@pytree
@dataclass(frozen=True, kw_only=True)
class AdaptiveLinear(PacingRule[Array]):
    """Multiplier = the last one times 1.2**clip(``gain`` * left, -5, 5): the adaptive linear model (ALM) of BAT.

    BAT is Khirianova et al., WWW 2025. ``left`` is the share of the budget that would remain at the end if the balance
    went on falling, per traffic, as in the last step. Bids stay after a step of little traffic, as at night. It
    remembers the multiplier. The source rounds bids to whole bins; here they are not rounded.
    """

    base_multiplier: Float[Array, ""]
    gain: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        base_multiplier: float = 1.0,
        gain: float = 2.5,
        plan: SpendPlan = "traffic",
    ) -> Policy:
        """The rule for an environment's observation and actions, continuous or discrete.

        ``base_multiplier``, that of the first step, lies in (0, 1e6], ``gain``, in bins per budget, in [0, 1e3]. Raises
        TypeError or ValueError for other numbers, and what ``PacingView.for_env`` raises.
        """
        rule = cls(
            view=PacingView.for_env(env, plan),
            base_multiplier=multiplier_setting("base_multiplier", base_multiplier),
            gain=setting("gain", gain, 0, 1e3),
        )
        return suited(rule, env.default_params if params is None else params)

    def start(self, market: Market) -> Array:
        return market.clip(self.base_multiplier)

    def next_multiplier(self, market: Market, seen: Progress, memory: Array) -> tuple[Array, Array]:
        least = QUIET * market.mean_spend
        fall_per_traffic = seen.spend / jnp.maximum(seen.planned_spend, least)
        left = (seen.remaining_budget - fall_per_traffic * seen.planned_budget) / market.budget
        bins = jnp.clip(self.gain * left, -LARGEST_CHANGE, LARGEST_CHANGE)
        multiplier = market.clip(memory * PRICE_BIN ** jnp.where(seen.planned_spend >= least, bins, 0.0))
        return multiplier, multiplier
