"""Figures of one market, measured from its entries."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np

from rtb_envs.studies.marketplace.chain import Entry
from rtb_envs.studies.marketplace.costs import NANOS, entry_nanos
from rtb_envs.studies.marketplace.entries import FALSE_CLAIMS, SEVERITIES

CONTEXT_LIMIT_TOKENS = 200_000
DROPPED_SHARE = 0.2
"""Of an agent's events, the oldest first, when its context is full."""

_SUMS = (
    *("opportunities", "deals", "failed", "charge", "payout", "fees", "overpaid", "delivered"),
    *("rot_events", "restarts", "claims", "false_claims", "ledger_nanos", "entries", "bytes"),
)


class Context:
    """The tokens that an agent keeps in mind."""

    def __init__(self) -> None:
        self.tokens = 0.0
        self.overflows = 0
        self._events: deque[float] = deque()

    def add(self, characters: int) -> None:
        """Take in an event of so many characters: min(50 + characters / 4, 200) tokens.

        Beyond ``CONTEXT_LIMIT_TOKENS`` the oldest fifth of the events is dropped.
        """
        tokens = min(50 + characters / 4, 200)
        self._events.append(tokens)
        self.tokens += tokens
        if self.tokens > CONTEXT_LIMIT_TOKENS:
            self.overflows += 1
            for _ in range(max(1, int(len(self._events) * DROPPED_SHARE))):
                self.tokens -= self._events.popleft()


class Measures:
    """Sums over the entries of one market, by day; ``figures`` is what they come to."""

    def __init__(self, days: int) -> None:
        self._days = days
        self._by_day: dict[str, Any] = {name: np.zeros(days + 1, np.int64) for name in _SUMS}
        self._goals: dict[int, int] = {}
        self._reached: dict[int, int] = {}
        self._attainment = np.zeros(days + 1)
        self._last_day = 0
        self._packages: set[str] = set()
        self.repeated_deals = 0
        self._fates: Counter[str] = Counter()
        self._severities: Counter[str] = Counter()
        self._records: Counter[str] = Counter()
        self._contexts: dict[str, Context] = {}

    def read(self, entry: Entry, body: dict[str, Any], size: int) -> None:
        """Take in an entry of ``size`` bytes."""
        day = min(max(entry.day, 0), self._days)
        while self._last_day < day:
            self._attainment[self._last_day] = self._mean_attainment()
            self._last_day += 1
        by_day = self._by_day
        by_day["entries"][day] += 1
        by_day["bytes"][day] += size
        by_day["ledger_nanos"][day] += entry_nanos(size)
        for agent in (entry.buyer, entry.seller):
            if agent:
                self._contexts.setdefault(agent, Context()).add(size)
        reader = _READERS.get(entry.kind)
        if reader is not None:
            reader(self, day, body)

    def _campaign(self, day: int, body: dict[str, Any]) -> None:
        self._goals[body["campaign"]] = body["goal"]

    def _context_rot(self, day: int, body: dict[str, Any]) -> None:
        self._by_day["rot_events"][day] += body["facts_lost"]
        self._by_day["restarts"][day] += body["restart"]

    def _bid_request(self, day: int, body: dict[str, Any]) -> None:
        self._by_day["opportunities"][day] += 1

    def _deal(self, day: int, body: dict[str, Any]) -> None:
        if body["package"] in self._packages:
            self.repeated_deals += 1
            return
        self._packages.add(body["package"])
        self._by_day["deals"][day] += 1
        self._by_day["claims"][day] += 1
        self._by_day["false_claims"][day] += body["claim"] == "stands"
        self._fates[body["claim"]] += 1
        self._severities[body["severity"]] += 1

    def _delivery(self, day: int, body: dict[str, Any]) -> None:
        self._by_day["delivered"][day] += body["impressions"]
        self._by_day["failed"][day] += body["impressions"] == 0
        self._reached[body["campaign"]] = self._reached.get(body["campaign"], 0) + body["impressions"]

    def _settlement(self, day: int, body: dict[str, Any]) -> None:
        for name, key in (("charge", "charge"), ("payout", "payout"), ("fees", "fee"), ("overpaid", "overpaid")):
            self._by_day[name][day] += body[key]
        self._records[body["reconciliation"]] += 1

    def _mean_attainment(self) -> float:
        shares = [min(1.0, self._reached.get(campaign, 0) / goal) for campaign, goal in self._goals.items()]
        return sum(shares) / len(shares) if shares else 0.0

    def figures(self, scenario: str) -> dict[str, Any]:
        """Every figure of the market, and under "by_day" the course of some of them from day 1 on."""
        total = {name: int(column.sum()) for name, column in self._by_day.items()}
        self._attainment[self._last_day :] = self._mean_attainment()
        ledger_dollars = total["ledger_nanos"] / NANOS if scenario == "c" else 0.0
        spend = total["charge"] / 100 + ledger_dollars
        by_day = {name: column[1:].tolist() for name, column in self._by_day.items()}
        return {
            "opportunities": total["opportunities"],
            "deals": total["deals"],
            "failed_deals": total["failed"],
            "fill_rate": _ratio(total["deals"], total["opportunities"]),
            "buyer_charge_usd": total["charge"] / 100,
            "seller_payout_usd": total["payout"] / 100,
            "fees_usd": total["fees"] / 100,
            "fee_rate": _ratio(total["charge"] - total["payout"], total["charge"]),
            "overpaid_usd": total["overpaid"] / 100,
            "ledger_cost_usd": ledger_dollars,
            "buyer_spend_usd": spend,
            "delivered_impressions": total["delivered"],
            "effective_cpm_usd": _ratio(1000 * spend, total["delivered"]),
            "goal_attainment": self._mean_attainment(),
            "rot_events": total["rot_events"],
            "restarts": total["restarts"],
            "claims": total["claims"],
            "false_claims_attempted": sum(self._fates[fate] for fate in FALSE_CLAIMS),
            "false_claims_corrected": self._fates["corrected"],
            "false_claims_stopped": self._fates["stopped"],
            "false_claims_standing": self._fates["stands"],
            **{f"false_claims_{severity}": self._severities[severity] for severity in SEVERITIES},
            "hallucination_rate": _ratio(total["false_claims"], total["claims"]),
            "reconciliation": {name: self._records[name] for name in ("agreed", "split", "resolved", "unresolved")},
            "repeated_deals": self.repeated_deals,
            "entries": total["entries"],
            "entry_bytes": total["bytes"],
            "context_overflows": sum(context.overflows for context in self._contexts.values()),
            "by_day": {
                **{name: by_day[name] for name in ("opportunities", "deals", "rot_events", "claims", "false_claims")},
                "spend_usd": [cents / 100 for cents in by_day["charge"]],
                "fees_usd": [cents / 100 for cents in by_day["fees"]],
                "goal_attainment": self._attainment[1:].tolist(),
            },
        }


_READERS = {
    "campaign": Measures._campaign,
    "context_rot": Measures._context_rot,
    "bid_request": Measures._bid_request,
    "deal": Measures._deal,
    "delivery": Measures._delivery,
    "settlement": Measures._settlement,
}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
