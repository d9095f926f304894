"""The numbers of a marketplace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.marketplace.config import EXCHANGE, LEDGER
from rtb_envs.envs.marketplace.money import CENTS, MAX_IMPRESSIONS, MILLS, WHOLE
from rtb_envs.envs.replacing import SHARE, Range, fitted, known_fields, ordered
from rtb_envs.pytrees import pytree

MAX_CPM = 60.0
MAX_SHARE = 1.25
"""Of floors and bids, over the base CPM."""
MAX_BUDGET = 2**31 / CENTS - 1
_CPM = Range(0.1 * MILLS, MAX_CPM * MILLS)
_OF_CPM = Range(0, MAX_SHARE * WHOLE)
_IMPRESSIONS = Range(1, MAX_IMPRESSIONS)
_FEE = Range(0, WHOLE)
RANGES = {
    "scenario": Range(EXCHANGE, LEDGER),
    "cpm_low": _CPM,
    "cpm_high": _CPM,
    "floor_share_low": _OF_CPM,
    "floor_share_high": _OF_CPM,
    "bid_share_low": _OF_CPM,
    "bid_share_high": _OF_CPM,
    "impressions_low": _IMPRESSIONS,
    "impressions_high": _IMPRESSIONS,
    "campaign_budget": Range(1, MAX_BUDGET * CENTS),
    "campaign_goal": Range(1, 2**31 - 1),
    "fee_share": _FEE,
    "platform_fee_share": _FEE,
    "false_claim_rate": SHARE,
    "corrected_rate": SHARE,
    "fact_loss_rate": SHARE,
    "grace_days": Range(0, 10_000),
    "restart_rate": SHARE,
}
"""What the market's numbers may be, in its whole units; the horizon may be what restart rates are there for."""


@pytree
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
        """These parameters with some numbers changed, each in the type and shape that it had.

        One number serves every channel. Raises TypeError or ValueError, naming the field, for numbers that no option
        could have led to. Works under jit and vmap: numbers that are traced are clipped to their ranges, and what they
        have to do with each other is not checked.
        """
        known_fields(self, changes)
        ranges = RANGES | {"horizon_days": Range(1, self.restart_rate.shape[-1])}
        changed = replace(self, **fitted(self, changes, ranges))
        for name in ("cpm", "floor_share", "bid_share", "impressions"):
            ordered(changed, f"{name}_low", f"{name}_high")
        return changed


def shares(value: float) -> Array:
    """A share as whole ten-thousandths."""
    return jnp.asarray(round(value * WHOLE), jnp.int32)
