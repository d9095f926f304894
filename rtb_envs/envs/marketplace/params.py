"""The numbers of a marketplace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Params:
    """Every number of the market. Shares are int32 ten-thousandths, prices int32 mills per 1000 impressions."""

    scenario: Int[Array, ""]
    """0 exchange, 1 direct, 2 ledger."""
    horizon_days: Int[Array, ""]
    cpm_low: Int[Array, "channels"]
    cpm_high: Int[Array, "channels"]
    floor_share_low: Int[Array, ""]
    floor_share_high: Int[Array, ""]
    bid_share_low: Int[Array, ""]
    bid_share_high: Int[Array, ""]
    impressions_low: Int[Array, ""]
    impressions_high: Int[Array, ""]
    campaign_budget: Int[Array, "channels"]
    """Cents that a campaign of each channel has."""
    campaign_goal: Int[Array, ""]
    """Impressions that a campaign wants."""
    fee_share: Int[Array, ""]
    """What the exchange keeps, discounts and clamp applied."""
    platform_fee_share: Int[Array, ""]
    """What the ledger's platform keeps of a deal."""
    false_claim_rate: Float[Array, "facts_plus_one"]
    """Probability of a false claim, by the number of facts that the buyer still has."""
    corrected_rate: Float[Array, ""]
    """Probability that the exchange corrects a false claim before the deal."""
    fact_loss_rate: Float[Array, ""]
    """Probability a day that a fact is lost."""
    grace_days: Int[Array, ""]
    """Days in which none is."""
    restart_rate: Float[Array, "days"]
    """Probability that a buyer restarts on each day and loses all its facts."""

    def replace(self, **changes: Any) -> Params:
        """These parameters with some numbers changed."""
        return replace(self, **changes)


def shares(value: float) -> Array:
    """A share as whole ten-thousandths."""
    return jnp.asarray(round(value * 10_000), jnp.int32)
