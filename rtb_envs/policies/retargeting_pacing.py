"""A pacer for Retargeting: bids a share of what an impression is worth, and moves the share so that the budget lasts.

The multiplicative feedback that pacing rules share (Balseiro, Kim, Mahdian and Mirrokni, "Budget-Management Strategies
in Repeated Auctions", Operations Research 69(3), 2021), on the bids of ``policies.retargeting.Strategy``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.policies.retargeting import RetargetingParams, Strategy, StrategyCarry, every_stage
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

CHANGES_AFTER = 100
"""Opportunities between two changes of the share."""
LARGEST_CHANGE = 1.25
"""The share is multiplied or divided by this at most."""
LOWEST_SHARE, FIRST_SHARE, HIGHEST_SHARE = 1e-3, 0.1, 1.0
TARGETED_FACTOR = 1.2
"""What the market multiplies a bid with that targets the customer's own stage, as these all do."""
_SPENT, _LEFT = 15, 16


class PacedParams(RetargetingParams, Protocol):
    """What a pacer is told besides."""

    @property
    def opportunities(self) -> Int[Array, ""]: ...


class PacerCarry(NamedTuple):
    """The memory of a ``Pacer``."""

    rule: StrategyCarry
    horizon: Int[Array, ""]
    """Opportunities of an episode."""
    share: Float[Array, ""]
    spent: Float[Array, ""]
    """Share of the budget at the last change."""
    opportunities: Int[Array, ""]


@pytree
@dataclass(frozen=True)
class Pacer:
    """The bids of ``rule`` times a share of at most 1.

    Every 100 opportunities the share is multiplied by what spending the rest of the budget evenly over the rest of the
    opportunities asks for, over what the last 100 have spent; by 1.25 or 1 / 1.25 at most.
    """

    rule: Strategy

    def init(self, params: PacedParams) -> PacerCarry:
        return PacerCarry(
            rule=self.rule.init(params),
            horizon=jnp.asarray(params.opportunities, jnp.int32),
            share=jnp.float32(FIRST_SHARE),
            spent=jnp.float32(0),
            opportunities=jnp.zeros((), jnp.int32),
        )

    def act(self, stream: Stream, carry: PacerCarry, observation: Array) -> tuple[Array, PacerCarry]:
        carry = _paced(carry, observation)
        action, rule = self.rule.act(stream, carry.rule, observation)
        return action.at[..., 0].multiply(carry.share), carry._replace(rule=rule)


def _paced(carry: PacerCarry, observation: Float[Array, "*batch 24"]) -> PacerCarry:
    """The carry after the opportunities now seen, the share moved first where its time has come."""
    rows = observation.reshape(-1, observation.shape[-1])
    before, came = carry.opportunities, rows.shape[0]
    due = (before > 0) & ((before // CHANGES_AFTER) > ((before - came) // CHANGES_AFTER))
    rest = jnp.maximum(carry.horizon - before, 1).astype(float)
    asked = CHANGES_AFTER * rows[0, _LEFT] / rest
    had = jnp.maximum(rows[0, _SPENT] - carry.spent, 1e-9)
    factor = jnp.clip(asked / had, 1 / LARGEST_CHANGE, LARGEST_CHANGE)
    share = jnp.clip(carry.share * factor, LOWEST_SHARE, HIGHEST_SHARE).astype(carry.share.dtype)
    return carry._replace(
        share=jnp.where(due, share, carry.share),
        spent=jnp.where(due, rows[0, _SPENT], carry.spent),
        opportunities=before + came,
    )


def pacer() -> Pacer:
    """Bids for every stage the share of pCTR * pCVR * E[revenue], as an effective bid, at intensity 5."""
    return Pacer(every_stage(value_share=1 / TARGETED_FACTOR))
