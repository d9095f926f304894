"""The entries of a market's days, written from what the compiled run returned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtb_envs.envs.marketplace.config import CHANNELS, CLAIM_KINDS, Config
from rtb_envs.envs.marketplace.settlement import RECONCILIATIONS
from rtb_envs.envs.marketplace.simulation import History
from rtb_envs.envs.marketplace.state import Accounts
from rtb_envs.envs.marketplace.trade import DELIVERED, NOT_OFFERED
from rtb_envs.studies.marketplace.chain import Entry

CLAIMS = ("true", "uncounted", "stands", "corrected", "stopped")
"""What becomes of claims, in the order of ``settlement.TRUE`` and so on."""
FALSE_CLAIMS = ("stands", "corrected", "stopped")
"""What becomes of claims that are more than 1 % off."""
SEVERITIES = ("minor", "moderate", "severe")
"""Of false claims: less than 5 % off, less than 20 %, or more; an invented history is wholly false."""
_SEVERITY_BOUNDS = (500, 2_000)

_PACKAGE_FIELDS = ("seller", "channel", "impressions", "floor_cpm", "target_cpm", "claim_kind", "claim_error")
_TRADE_FIELDS = (
    *("status", "campaign", "price_cpm", "charge", "payout", "fee", "overpaid", "delivered"),
    *("claim", "reconciliation", "decided"),
)


class Market(NamedTuple):
    """One run on the host: the arrays of a scenario and seed, leading with [days]."""

    accounts: Accounts
    """At the start."""
    history: History

    def day(self, day: int) -> dict[str, npt.NDArray[Any]]:
        """What was offered and traded on ``day`` (from 1), by name, each [packages]."""
        packages, trades = self.history.packages, self.history.trades
        columns = {name: getattr(packages, name)[day - 1] for name in _PACKAGE_FIELDS}
        return columns | {name: getattr(trades, name)[day - 1] for name in _TRADE_FIELDS}


def buyer_name(index: int) -> str:
    """The first is buyer-001."""
    return f"buyer-{index + 1:03d}"


def seller_name(index: int) -> str:
    """The first is seller-001."""
    return f"seller-{index + 1:03d}"


def package_name(day: int, index: int) -> str:
    """Names a package, and the deal over it, within a market."""
    return f"{day:03d}-{index:05d}"


def severity(claim: str, error: int) -> str:
    """How far off a ``claim`` is by an ``error`` in parts of 10,000; "none" if it is not counted as false."""
    return SEVERITIES[sum(error >= bound for bound in _SEVERITY_BOUNDS)] if claim in FALSE_CLAIMS else "none"


def opening_entries(accounts: Accounts, goal: int, config: Config) -> Iterator[Entry]:
    """What every campaign starts with."""
    channels, budgets = np.asarray(accounts.channel).tolist(), np.asarray(accounts.budget).tolist()
    for campaign, (channel, budget) in enumerate(zip(channels, budgets, strict=True)):
        body = f'{{"budget":{budget},"campaign":{campaign},"channel":"{CHANNELS[channel]}","goal":{goal}}}'
        yield Entry(0, 0, "campaign", buyer_name(campaign // config.campaigns_per_buyer), "", body)


def day_entries(market: Market, day: int, hours: list[int], config: Config) -> Iterator[Entry]:
    """The entries of ``day`` (from 1) in the order in which they come about.

    ``hours`` are the hours of its packages. Entries of one package follow each other: a request for bids, and if it is
    sold the winning response, the deal, its delivery and its settlement.
    """
    history = market.history
    lost, restarted = history.lost[day - 1].tolist(), history.restarted[day - 1].tolist()
    for buyer, (facts, restart) in enumerate(zip(lost, restarted, strict=True)):
        if facts or restart:
            body = f'{{"facts_lost":{facts},"restart":{"true" if restart else "false"}}}'
            yield Entry(day, 0, "context_rot", buyer_name(buyer), "", body)
    columns = [column.tolist() for column in market.day(day).values()]
    for index, row in enumerate(zip(*columns, strict=True)):
        yield from _package_entries(day, index, hours[index], row, config)


def _package_entries(day: int, index: int, hour: int, row: tuple[Any, ...], config: Config) -> Iterator[Entry]:
    seller, channel, impressions, floor, target, kind, error, *traded = row
    status, campaign, price, charge, payout, fee, overpaid, delivered, claim, reconciliation, decided = traded
    if status == NOT_OFFERED:
        return
    name, sells = package_name(day, index), seller_name(seller)
    offer = f'{{"channel":"{CHANNELS[channel]}","floor_cpm":{floor},"impressions":{impressions},"package":"{name}",'
    yield Entry(day, hour, "bid_request", "", sells, f'{offer}"target_cpm":{target}}}')
    if status < DELIVERED:
        return
    buys, bought = buyer_name(campaign // config.campaigns_per_buyer), f'"campaign":{campaign},'
    response = f'{{"asked":{decided},{bought}"cpm":{price},"package":"{name}"}}'
    yield Entry(day, hour, "bid_response", buys, sells, response)
    claimed = f'"claim":"{CLAIMS[claim]}","claim_kind":"{CLAIM_KINDS[kind]}"'
    deal = f'{bought}{claimed},"cpm":{price},"package":"{name}","severity":"{severity(CLAIMS[claim], error)}"'
    yield Entry(day, hour, "deal", buys, sells, f"{{{deal}}}")
    served = f'{{{bought}"impressions":{delivered},"package":"{name}"}}'
    yield Entry(day, hour, "delivery", buys, sells, served)
    money = f'"charge":{charge},"fee":{fee},"overpaid":{overpaid},"package":"{name}","payout":{payout}'
    records = f'"reconciliation":"{RECONCILIATIONS[reconciliation]}"'
    yield Entry(day, hour, "settlement", buys, sells, f"{{{bought}{money},{records}}}")
