"""The whole state of buyers and sellers, as the compiled run has it: what recovery from the ledger must reproduce."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtb_envs.envs.marketplace.config import CHANNELS, Config
from rtb_envs.envs.marketplace.trade import DELIVERED, NOT_OFFERED
from rtb_envs.studies.marketplace.entries import Market, buyer_name, seller_name

State = dict[str, Any]
"""JSON of whole numbers: cents, mills per 1000 impressions, impressions, counts."""


def live_states(market: Market, config: Config) -> Iterator[dict[str, State]]:
    """Every agent's state at the end of each day, in order of days.

    A buyer knows each campaign's books, and of each seller its deals, impressions, spend and the last floor that it
    met there; a seller what it offered, sold, delivered and earned.
    """
    shape = (config.buyers, config.sellers)
    between = {name: np.zeros(shape, np.int64) for name in ("deals", "delivered", "spend", "floor_cpm")}
    own = {name: np.zeros(config.sellers, np.int64) for name in ("deals", "delivered", "fees", "offered", "revenue")}
    for day in range(1, config.days + 1):
        rows = market.day(day)
        offered, sold = rows["status"] != NOT_OFFERED, rows["status"] >= DELIVERED
        seller, buyer = rows["seller"][sold], rows["campaign"][sold] // config.campaigns_per_buyer
        np.add.at(between["deals"], (buyer, seller), 1)
        np.add.at(between["delivered"], (buyer, seller), rows["delivered"][sold])
        np.add.at(between["spend"], (buyer, seller), rows["charge"][sold])
        between["floor_cpm"][buyer, seller] = rows["floor_cpm"][sold]
        np.add.at(own["offered"], rows["seller"][offered], 1)
        np.add.at(own["deals"], seller, 1)
        for name, column in (("delivered", "delivered"), ("fees", "fee"), ("revenue", "payout")):
            np.add.at(own[name], seller, rows[column][sold])
        campaigns = _campaigns(market, day)
        each = config.campaigns_per_buyer
        states: dict[str, State] = {
            buyer_name(i): {
                "campaigns": campaigns[i * each : (i + 1) * each],
                "sellers": [{name: int(part[i, j]) for name, part in between.items()} for j in range(config.sellers)],
            }
            for i in range(config.buyers)
        }
        for j in range(config.sellers):
            states[seller_name(j)] = {name: int(part[j]) for name, part in own.items()}
        yield states


def _campaigns(market: Market, day: int) -> list[State]:
    """The books of all campaigns at the end of ``day``."""
    history, accounts = market.history, market.accounts
    columns = {
        "budget": accounts.budget,
        "remaining": history.remaining[day - 1],
        "delivered": history.delivered[day - 1],
        "deals": history.deals[day - 1],
    }
    books = [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]
    return [
        {"campaign": i, "channel": CHANNELS[channel], **book}
        for i, (channel, book) in enumerate(zip(accounts.channel.tolist(), books, strict=True))
    ]
