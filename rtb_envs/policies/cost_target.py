"""What rules that keep a target cost per action share."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.policies.pacing import Market, Memory, PacingRule, setting
from rtb_envs.policies.policy import BiddingParams


@dataclass(frozen=True, kw_only=True)
class CostTargetRule(PacingRule[Memory]):
    """A pacing rule that also limits the cost per action; without any target the limit never binds."""

    target_cost_per_action: Float[Array, ""] | None
    """Money per action; None takes that of the market, which may have none."""

    def market(self, params: BiddingParams) -> Market:
        market = self.view.market(params)
        if self.target_cost_per_action is None:
            return market
        return market._replace(target_cost_per_action=self.target_cost_per_action)


def target_setting(value: float | None) -> Float[Array, ""] | None:
    """The target as a leaf, or None; TypeError or ValueError unless it is in (0, 1e9]."""
    return None if value is None else setting("target_cost_per_action", value, 0, 1e9, open_low=True)


def allowed_cost(market: Market, actions: Float[Array, ""], spend: Float[Array, ""]) -> Float[Array, ""]:
    """What ``actions`` may cost at the market's target; without one ``spend`` itself, so that nothing is missed."""
    limited = jnp.isfinite(market.target_cost_per_action)
    return jnp.where(limited, jnp.where(limited, market.target_cost_per_action, 0) * actions, spend)
