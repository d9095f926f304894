"""AuctionGym's metrics: sums over rounds, exact and hence the same in any order, and the figures made of them.

Definitions: Jeunen, Murphy and Allison, "Learning to Bid with AuctionGym", AdKDD 2022.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.contextual_auction.money import ExactSum, sum_rounds
from rtb_envs.envs.contextual_auction.offers import Offers
from rtb_envs.envs.contextual_auction.rounds import Rounds
from rtb_envs.envs.contextual_auction.settlement import Results
from rtb_envs.pytrees import pytree

SQUARED_ERROR_UNIT, RATIO_UNIT, SHADING_UNIT = 2.0**-29, 2.0**-16, 2.0**-20
MAX_RATIO, MAX_SHADING = 2.0**13, 2.0**9
COUNTS = ("rounds", "impressions", "clicks")
MONEY = (
    "welfare",
    "spend",
    "surplus",
    "best_expected_value",
    "allocation_regret",
    "estimation_regret",
    "overbid_regret",
    "underbid_regret",
)


@pytree
@dataclass(frozen=True)
class Totals:
    """Each bidder's sums over rounds."""

    rounds: ExactSum
    """In which it took part."""
    impressions: ExactSum
    clicks: ExactSum
    welfare: ExactSum
    """Money is in micros of currency."""
    spend: ExactSum
    surplus: ExactSum
    best_expected_value: ExactSum
    allocation_regret: ExactSum
    estimation_regret: ExactSum
    overbid_regret: ExactSum
    underbid_regret: ExactSum
    ctr_squared_error: ExactSum
    """Of the chosen ads, shown or not, in units of 2**-29."""
    ctr_ratio: ExactSum
    """Estimated over true CTR of impressions, each at most 2**13, in units of 2**-16."""
    shading: ExactSum
    """Bid over estimated value, each at most 2**9, in units of 2**-20."""

    @classmethod
    def zero(cls, bidders: int) -> Totals:
        return cls(*(ExactSum.zero((bidders,)) for _ in fields(cls)))

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def totals(offers: Offers, shading: Float[Array, "bidders rounds"], rounds: Rounds, results: Results) -> Totals:
    """The sums over at most 2**15 rounds."""
    error = jnp.where(rounds.takes_part, offers.estimated_ctr - offers.ctr, 0)
    ratio = jnp.where(results.won, offers.estimated_ctr / jnp.maximum(offers.ctr, 1e-30), 0)
    shade = jnp.where(rounds.takes_part, jnp.clip(shading, 0, MAX_SHADING), 0)
    amounts = {
        "rounds": rounds.takes_part.astype(jnp.int32),
        "impressions": results.won.astype(jnp.int32),
        "clicks": results.clicked.astype(jnp.int32),
        **{name: getattr(results, name) for name in MONEY},
        "ctr_squared_error": _whole(error**2, SQUARED_ERROR_UNIT),
        "ctr_ratio": _whole(jnp.minimum(ratio, MAX_RATIO), RATIO_UNIT),
        "shading": _whole(shade, SHADING_UNIT),
    }
    return Totals(**dict(zip(amounts, sum_rounds(list(amounts.values())), strict=True)))


def _whole(amount: Float[Array, "*shape"], unit: float) -> Int[Array, "*shape"]:
    return jnp.round(amount / unit).astype(jnp.int32)
