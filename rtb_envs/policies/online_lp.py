"""Solve again, in every step, for the multiplier that spends what is left over the traffic that is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.pacing import Market, PacingRule, PacingView, Progress, SpendPlan, multiplier_setting, setting
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, Policy, suited
from rtb_envs.pytrees import pytree

LARGEST_RATIO = 100.0
"""Spending is taken to be within this factor of what was planned, so that logarithms are finite."""
ELASTICITY_RANGE = (0.25, 32.0)
NO_TRAFFIC = 1e-6
"""Share of the budget below which the plan spends nothing."""


class OnlineLPMemory(NamedTuple):
    """The last log multiplier and weighted sums over the steps seen: x = log(multiplier / base), y = log(spending /
    planned spending)."""

    x: Float[Array, ""]
    weight: Float[Array, ""]
    sum_x: Float[Array, ""]
    sum_y: Float[Array, ""]
    sum_xx: Float[Array, ""]
    sum_xy: Float[Array, ""]


@pytree
@dataclass(frozen=True, kw_only=True)
class OnlineLP(PacingRule[OnlineLPMemory]):
    """The multiplier at which the spend curve of the steps seen spends what is left over the traffic that is left.

    Online linear programming (Agrawal, Wang and Ye, Operations Research 62(4), 2014) solves, again and again, the dual
    of the problem made of the auctions seen, lambda = argmin rho lambda + mean (v - lambda d)^+, and bids v / lambda:
    there the sample's spending, which falls with lambda, meets the budget. A rule of one multiplier a step does not
    see auctions, only what each step's multiplier spent. So the sample's spending is replaced by a curve
    log(spending / planned) = a + elasticity * log(multiplier / base), fitted by least squares with the slope shrunk to
    ``elasticity`` by ``prior_weight`` (a ridge) and kept in [0.25, 32], and the equation is solved in closed form. With
    ``forgetting`` < 1 old steps lose that factor a step; the source keeps all.
    """

    base_multiplier: Float[Array, ""]
    elasticity: Float[Array, ""]
    prior_weight: Float[Array, ""]
    forgetting: Float[Array, ""]

    @classmethod
    def for_env(
        cls,
        env: BiddingEnvironment,
        params: BiddingParams | None = None,
        *,
        base_multiplier: float = 1.0,
        elasticity: float = 4.0,
        prior_weight: float = 1.0,
        forgetting: float = 0.7,
        plan: SpendPlan = "traffic",
    ) -> Policy:
        """The rule for an environment's observation and actions, continuous or discrete.

        ``base_multiplier``, that of the first step, lies in (0, 1e6], ``elasticity`` in [0.25, 32], ``prior_weight`` in
        (0, 1e6], ``forgetting`` in [0, 1]. Raises TypeError or ValueError for other numbers, and what
        ``PacingView.for_env`` raises.
        """
        rule = cls(
            view=PacingView.for_env(env, plan),
            base_multiplier=multiplier_setting("base_multiplier", base_multiplier),
            elasticity=setting("elasticity", elasticity, *ELASTICITY_RANGE),
            prior_weight=setting("prior_weight", prior_weight, 0, 1e6, open_low=True),
            forgetting=setting("forgetting", forgetting, 0, 1),
        )
        return suited(rule, env.default_params if params is None else params)

    def start(self, market: Market) -> OnlineLPMemory:
        zero = jnp.float32(0)
        return OnlineLPMemory(jnp.log(market.clip(self.base_multiplier) / self.base_multiplier), *[zero] * 5)

    def next_multiplier(self, market: Market, seen: Progress, memory: OnlineLPMemory) -> tuple[Array, OnlineLPMemory]:
        nothing = NO_TRAFFIC * market.budget
        y = _log_ratio(seen.spend, jnp.maximum(seen.planned_spend, nothing))
        told = jnp.where(
            seen.planned_spend > nothing, jnp.stack([jnp.ones(()), memory.x, y, memory.x**2, memory.x * y]), 0
        )
        weight, sum_x, sum_y, sum_xx, sum_xy = self.forgetting * jnp.stack(memory[1:]) + told
        x_mean, y_mean = sum_x / jnp.maximum(weight, 1e-6), sum_y / jnp.maximum(weight, 1e-6)
        spread = jnp.maximum(sum_xx - weight * x_mean**2, 0)
        slope = (sum_xy - weight * x_mean * y_mean + self.prior_weight * self.elasticity) / (spread + self.prior_weight)
        slope = jnp.clip(slope, *ELASTICITY_RANGE)
        wanted = _log_ratio(seen.remaining_budget, jnp.maximum(seen.planned_budget, nothing))
        x = x_mean + (wanted - y_mean) / slope
        x = jnp.where((weight > 0) & (seen.planned_budget > nothing), x, memory.x)
        multiplier = market.clip(self.base_multiplier * jnp.exp(x))
        x = jnp.log(multiplier / self.base_multiplier)
        return multiplier, OnlineLPMemory(x, weight, sum_x, sum_y, sum_xx, sum_xy)


def _log_ratio(money: Array, planned: Array) -> Array:
    """log(money / planned), kept within +-log(LARGEST_RATIO); ``planned`` > 0."""
    return jnp.log(jnp.clip(money / planned, 1 / LARGEST_RATIO, LARGEST_RATIO))
