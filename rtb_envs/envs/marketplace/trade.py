"""One impression package meets the campaigns that want it: an auction, or a negotiation in turn."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from rtb_envs.envs.marketplace.config import EXCHANGE, Config
from rtb_envs.envs.marketplace.decisions import Decisions, decide
from rtb_envs.envs.marketplace.money import amount_cents, share_of
from rtb_envs.envs.marketplace.packages import Packages
from rtb_envs.envs.marketplace.params import Params
from rtb_envs.envs.marketplace.settlement import AGREED, TRUE, Settlement, charged, settle
from rtb_envs.envs.marketplace.state import Accounts
from rtb_envs.pytrees import pytree

NOT_OFFERED, UNSOLD, DELIVERED, FAILED = range(4)


@pytree
@dataclass(frozen=True)
class Trades:
    """What became of packages; amounts in cents, prices in mills per 1000 impressions."""

    status: Int[Array, "*n"]
    """``NOT_OFFERED``, ``UNSOLD``, ``DELIVERED`` or ``FAILED``."""
    campaign: Int[Array, "*n"]
    """Who bought; -1 where nobody did."""
    price_cpm: Int[Array, "*n"]
    charge: Int[Array, "*n"]
    payout: Int[Array, "*n"]
    fee: Int[Array, "*n"]
    overpaid: Int[Array, "*n"]
    """What of the charge is due to a false claim."""
    delivered: Int[Array, "*n"]
    """Impressions."""
    claim: Int[Array, "*n"]
    """``TRUE``, ``UNCOUNTED``, ``STANDS``, ``CORRECTED`` or ``STOPPED``; ``TRUE`` too where there was no deal."""
    reconciliation: Int[Array, "*n"]
    """How the records of both sides were brought together, an index of ``settlement.RECONCILIATIONS``."""
    decided: Int[Array, "*n"]
    """Bid decisions that were taken."""
    escalated: Int[Array, "*n"]
    """Of them those that the tree passed on."""
    refused: Int[Array, "*n"]
    """Given answers that the budget did not cover."""
    asked: Bool[Array, "*n campaigns"]
    """Escalated decisions that mattered and that an answer could change, by campaign."""


def trade(
    accounts: Accounts,
    package: Packages,
    offered: Bool[Array, ""],
    kept_facts: Int[Array, "buyers"],
    bid_share: Int[Array, "campaigns"] | None,
    answers: Int[Array, "campaigns"],
    config: Config,
    params: Params,
) -> tuple[Accounts, Trades]:
    """Trade one ``package`` in the scenario of ``params``; who could not pay its floor takes no part.

    ``bid_share`` multiplies bids where buyers decide by themselves; None lets decision tree and rules decide, with
    ``answers`` for escalated decisions.
    """
    exchange = params.scenario == EXCHANGE
    bids = package.bid_cpm if bid_share is None else share_of(package.bid_cpm, bid_share)
    meets_floor = bids >= package.floor_cpm
    offer = jnp.where(exchange | meets_floor, bids, package.counter_cpm)
    least = charged(amount_cents(package.floor_cpm, package.impressions), config, params)
    takes_part = offered & (accounts.channel == package.channel) & (accounts.remaining >= least)
    takes_part = takes_part & (meets_floor | ~exchange)
    cost = charged(amount_cents(offer, package.impressions), config, params)
    if bid_share is None:
        decisions = decide(offer, cost, accounts.remaining, accounts.budget, package.target_cpm, answers)
    else:
        willing = (cost <= accounts.remaining) & (meets_floor | (offer <= bids))
        none = jnp.zeros_like(willing)
        decisions = Decisions(willing, none, none, none)
    ready = takes_part & decisions.accepted
    turn = (jnp.arange(config.campaigns) - accounts.turn[package.channel]) % config.campaigns
    first = jnp.min(jnp.where(ready, turn, config.campaigns))
    sold = jnp.any(ready)
    highest = jnp.argmax(jnp.where(ready, bids, -1))
    in_turn = jnp.argmin(jnp.where(ready, turn, config.campaigns))
    winner = jnp.where(exchange, highest, in_turn)
    second = jnp.max(jnp.where(ready & (jnp.arange(config.campaigns) != winner), bids, 0))
    price = jnp.where(exchange, jnp.maximum(second, package.floor_cpm), offer[winner])
    considered = takes_part & (exchange | (turn <= first))
    buyer = winner // config.campaigns_per_buyer
    deal = settle(package, price, accounts.remaining[winner], kept_facts[buyer], config, params)
    struck = jnp.where(deal.fails, FAILED, DELIVERED)
    return _book(accounts, winner, sold, package.channel, deal), Trades(
        status=jnp.where(offered, jnp.where(sold, struck, UNSOLD), NOT_OFFERED),
        campaign=jnp.where(sold, winner, -1),
        price_cpm=jnp.where(sold, price, 0),
        charge=jnp.where(sold, deal.charge, 0),
        payout=jnp.where(sold, deal.payout, 0),
        fee=jnp.where(sold, deal.fee, 0),
        overpaid=jnp.where(sold, deal.overpaid, 0),
        delivered=jnp.where(sold, deal.delivered, 0),
        claim=jnp.where(sold, deal.claim, TRUE),
        reconciliation=jnp.where(sold, deal.reconciliation, AGREED),
        decided=jnp.sum(considered, dtype=jnp.int32),
        escalated=jnp.sum(considered & decisions.escalated, dtype=jnp.int32),
        refused=jnp.sum(considered & decisions.refused, dtype=jnp.int32),
        asked=considered & decisions.open,
    )


def _book(accounts: Accounts, winner: Array, sold: Array, channel: Array, deal: Settlement) -> Accounts:
    """The books after a deal, or as they were where nothing was sold."""
    mine = sold & (jnp.arange(accounts.remaining.shape[0]) == winner)
    channels = jnp.arange(accounts.turn.shape[0])
    return Accounts(
        channel=accounts.channel,
        budget=accounts.budget,
        remaining=accounts.remaining - jnp.where(mine, deal.charge, 0),
        delivered=accounts.delivered + jnp.where(mine, deal.delivered, 0),
        deals=accounts.deals + mine,
        turn=jnp.where(sold & (channels == channel), winner + 1, accounts.turn),
    )
