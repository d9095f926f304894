"""What a deal costs, pays and delivers, once its claim has been looked at."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.envs.marketplace.config import EXCHANGE, LEDGER, Config
from rtb_envs.envs.marketplace.money import amount_cents, share_of
from rtb_envs.envs.marketplace.packages import Packages
from rtb_envs.envs.marketplace.params import Params

TRUE, UNCOUNTED, STANDS, CORRECTED, STOPPED = range(5)
"""What became of a deal's claim: true; false by 1 % or less; false and believed; corrected by the exchange before the
deal; stopped by a look into the ledger."""
RECONCILIATIONS = ("agreed", "split", "resolved", "unresolved")
AGREED, SPLIT, RESOLVED, UNRESOLVED = range(4)
COUNTED_ERROR = 100
"""A claim counts as false when it is more than 1 % off."""


class Settlement(NamedTuple):
    """What one deal comes to; cents and impressions."""

    charge: Int[Array, ""]
    payout: Int[Array, ""]
    fee: Int[Array, ""]
    overpaid: Int[Array, ""]
    """What of the media's cost is due to a false claim."""
    delivered: Int[Array, ""]
    claim: Int[Array, ""]
    fails: Bool[Array, ""]
    reconciliation: Int[Array, ""]


def settle(
    package: Packages,
    price_cpm: Int[Array, ""],
    remaining: Int[Array, ""],
    kept_facts: Int[Array, ""],
    config: Config,
    params: Params,
) -> Settlement:
    """Settle a deal over ``package`` at ``price_cpm`` for a campaign with ``remaining`` cents.

    A false claim that stands makes half of the deals fail: nothing is delivered and nothing paid. The others cost 10
    to 30 % more, as far as the campaign's money goes.
    """
    claim = judge(package, kept_facts, params)
    fails = (claim == STANDS) & (package.fails_uniform < 0.5)
    dearer = (claim == STANDS) & ~fails
    agreed = amount_cents(price_cpm, package.impressions)
    wanted = jnp.where(dearer, share_of(agreed, package.overpay), 0)
    overpaid = jnp.clip(affordable(remaining, config, params) - agreed, 0, wanted)
    total = jnp.where(fails, 0, agreed + overpaid)
    fee = share_of(total, _fee_share(params))
    on_top = (params.scenario == EXCHANGE) if config.fee_mode == "markup" else jnp.zeros((), bool)
    return Settlement(
        charge=total + jnp.where(on_top, fee, 0),
        payout=total - jnp.where(on_top, 0, fee),
        fee=fee,
        overpaid=jnp.where(dearer, overpaid, 0),
        delivered=jnp.where(fails, 0, package.impressions),
        claim=claim,
        fails=fails,
        reconciliation=reconcile(jnp.where(claim == STANDS, package.claim_error, 0), package.dispute_uniform),
    )


def judge(package: Packages, kept_facts: Int[Array, ""], params: Params) -> Int[Array, ""]:
    """What becomes of the deal's claim: one of ``TRUE``, ``UNCOUNTED``, ``STANDS``, ``CORRECTED``, ``STOPPED``."""
    rate: Float[Array, ""] = params.false_claim_rate[kept_facts]
    false = package.claim_uniform < rate
    corrected = (params.scenario == EXCHANGE) & (package.corrected_uniform < params.corrected_rate)
    stopped = params.scenario == LEDGER
    fate = jnp.where(stopped, STOPPED, jnp.where(corrected, CORRECTED, STANDS))
    counted = package.claim_error > COUNTED_ERROR
    return jnp.where(false, jnp.where(counted, fate, UNCOUNTED), TRUE).astype(jnp.int32)


def reconcile(difference: Int[Array, ""], uniform: Float[Array, ""]) -> Int[Array, ""]:
    """What becomes of two records that are ``difference`` ten-thousandths apart: an index of ``RECONCILIATIONS``.

    Less than 3 % apart they are accepted; up to 10 % the difference is split; up to 15 % half of the disputes are
    resolved, up to 20 % three in ten; beyond that none.
    """
    resolved = uniform < jnp.where(difference <= 1500, 0.5, 0.3)
    disputed = jnp.where((difference <= 2000) & resolved, RESOLVED, UNRESOLVED)
    return jnp.where(difference < 300, AGREED, jnp.where(difference <= 1000, SPLIT, disputed)).astype(jnp.int32)


def charged(total: Array, config: Config, params: Params) -> Array:
    """What a buyer pays for media that cost ``total``: the exchange's fee comes on top in its mode "markup"."""
    if config.fee_mode == "deduct":
        return total
    return jnp.where(params.scenario == EXCHANGE, total + share_of(total, params.fee_share), total)


def affordable(remaining: Array, config: Config, params: Params) -> Array:
    """A cost of media whose charge ``remaining`` cents surely cover, at most a few cents below the largest such."""
    if config.fee_mode == "deduct":
        return remaining
    whole_charge = 10_000 + params.fee_share
    # Fees round down, so media bought for this sum cost no more than what is left.
    largest = remaining // whole_charge * 10_000 + remaining % whole_charge * 10_000 // whole_charge
    return jnp.where(params.scenario == EXCHANGE, largest, remaining)


def _fee_share(params: Params) -> Array:
    deal_fee = jnp.where(params.scenario == LEDGER, params.platform_fee_share, 0)
    return jnp.where(params.scenario == EXCHANGE, params.fee_share, deal_fee)
