"""What is offered, what is bid for it and what is claimed of it: every draw of a day, the same in all scenarios."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.envs.marketplace.config import CHANNELS, CLAIM_KINDS, FACTS, Config
from rtb_envs.envs.marketplace.money import WHOLE, share_of
from rtb_envs.envs.marketplace.params import Params
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream, uniform_from_word

PACKAGE_SITE, PRICE_SITE, BID_SITE, CLAIM_SITE, OUTCOME_SITE = range(1, 6)
MEMORY_SITE, RESTART_SITE, CAMPAIGN_SITE = range(6, 9)
COUNTER_OFFER_HIGH = 15_000
"""A counter-offer is at most 1.5 times the floor."""
LARGEST_ERROR = (3_000, 5_000, 8_000, 10_000)
"""Error of a false claim of each kind: price × U(.7, 1), inventory × U(1, 1.5), delivery × U(1, 1.8); an invented
history is wholly false."""
OVERPAY_LOW, OVERPAY_HIGH = 1_000, 3_000


@pytree
@dataclass(frozen=True)
class Packages:
    """Impression packages with all draws that trading them needs; leading axes are the same everywhere.

    Prices are int32 mills per 1000 impressions, shares int32 ten-thousandths.
    """

    seller: Int[Array, "*n"]
    channel: Int[Array, "*n"]
    impressions: Int[Array, "*n"]
    target_cpm: Int[Array, "*n"]
    """The base CPM."""
    floor_cpm: Int[Array, "*n"]
    bid_cpm: Int[Array, "*n campaigns"]
    """What each campaign bids if it takes part."""
    counter_cpm: Int[Array, "*n"]
    """What the seller asks of a bid below its floor."""
    claim_kind: Int[Array, "*n"]
    claim_uniform: Float[Array, "*n"]
    """The claim is false if below the rate of false claims."""
    claim_error: Int[Array, "*n"]
    """How far off the claim is if false."""
    corrected_uniform: Float[Array, "*n"]
    fails_uniform: Float[Array, "*n"]
    """A false claim that stands makes the deal fail if below one half, and dearer otherwise."""
    overpay: Int[Array, "*n"]
    """By how much."""
    dispute_uniform: Float[Array, "*n"]
    """A dispute over records is resolved if below the share that is."""


def draw_packages(day_stream: Stream, index: Int[Array, "n"], config: Config, params: Params) -> Packages:
    """The packages ``index`` of the day of ``day_stream``: a function of (stream, index) alone."""
    what = [uniform_from_word(word) for word in day_stream.site(PACKAGE_SITE).words(index)]
    price = [uniform_from_word(word) for word in day_stream.site(PRICE_SITE).words(index)]
    claim = [uniform_from_word(word) for word in day_stream.site(CLAIM_SITE).words(index)]
    outcome = [uniform_from_word(word) for word in day_stream.site(OUTCOME_SITE).words(index)]
    channel = whole(what[1], jnp.int32(0), jnp.int32(len(CHANNELS) - 1))
    target = whole(price[0], params.cpm_low[channel], params.cpm_high[channel])
    floor = share_of(target, whole(price[1], params.floor_share_low, params.floor_share_high))
    bids = day_stream.site(BID_SITE).uniform(index[:, None] * config.campaigns + jnp.arange(config.campaigns))
    kind = whole(claim[1], jnp.int32(0), jnp.int32(len(CLAIM_KINDS) - 1))
    error = whole(claim[2], jnp.int32(0), jnp.asarray(LARGEST_ERROR, jnp.int32)[kind])
    return Packages(
        seller=whole(what[0], jnp.int32(0), jnp.int32(config.sellers - 1)),
        channel=channel,
        impressions=whole(what[2], params.impressions_low, params.impressions_high),
        target_cpm=target,
        floor_cpm=floor,
        bid_cpm=share_of(target[:, None], whole(bids, params.bid_share_low, params.bid_share_high)),
        counter_cpm=share_of(floor, whole(price[2], jnp.int32(WHOLE), jnp.int32(COUNTER_OFFER_HIGH))),
        claim_kind=kind,
        claim_uniform=claim[0],
        claim_error=jnp.where(kind == CLAIM_KINDS.index("history"), WHOLE, error),
        corrected_uniform=claim[3],
        fails_uniform=outcome[0],
        overpay=whole(outcome[1], jnp.int32(OVERPAY_LOW), jnp.int32(OVERPAY_HIGH)),
        dispute_uniform=outcome[2],
    )


def draw_channels(stream: Stream, config: Config) -> Int[Array, "campaigns"]:
    """The channel of each campaign, uniform."""
    uniform = stream.site(CAMPAIGN_SITE).uniform(jnp.arange(config.campaigns))
    return whole(uniform, jnp.int32(0), jnp.int32(len(CHANNELS) - 1))


def draw_losses(day_stream: Stream, config: Config) -> tuple[Float[Array, "buyers facts"], Float[Array, "buyers"]]:
    """Uniforms that decide which facts are lost on a day, and who restarts."""
    facts = jnp.arange(config.buyers * FACTS).reshape(config.buyers, FACTS)
    restart = day_stream.site(RESTART_SITE).uniform(jnp.arange(config.buyers))
    return day_stream.site(MEMORY_SITE).uniform(facts), restart


def whole(uniform: Array, low: Array, high: Array) -> Int[Array, "..."]:
    """An int32 uniform on low .. high from a uniform in (0, 1); high - low below 2**22."""
    # One product, then the fraction goes: nothing that a compiler could contract.
    return jnp.minimum(low + jnp.floor(uniform * (high - low + 1).astype(jnp.float32)).astype(jnp.int32), high)
