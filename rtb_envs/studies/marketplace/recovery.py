"""The state of agents rebuilt from entries alone, and the comparison of it with the digests of the live state."""

from __future__ import annotations

from typing import Any

from rtb_envs.studies.marketplace.agents import State
from rtb_envs.studies.marketplace.chain import Entry, digest
from rtb_envs.studies.marketplace.entries import buyer_name, seller_name


class Replay:
    """Agents' states as they follow from the entries that have been read so far."""

    def __init__(self, buyers: int, sellers: int) -> None:
        self._sellers = [seller_name(j) for j in range(sellers)]
        nothing = {"deals": 0, "delivered": 0, "spend": 0, "floor_cpm": 0}
        self._books: dict[str, dict[int, State]] = {buyer_name(i): {} for i in range(buyers)}
        self._between = {(buyer, seller): dict(nothing) for buyer in self._books for seller in self._sellers}
        own = {"deals": 0, "delivered": 0, "fees": 0, "offered": 0, "revenue": 0}
        self._own = {seller: dict(own) for seller in self._sellers}
        self._floors: dict[str, int] = {}

    def read(self, entry: Entry, body: dict[str, Any]) -> None:
        """Take in one entry with its ``body``; what it says of unknown agents or campaigns is passed over."""
        buyer, seller = entry.buyer, entry.seller
        if entry.kind == "campaign":
            if buyer in self._books:
                books = {"campaign": body["campaign"], "channel": body["channel"], "budget": body["budget"]}
                self._books[buyer][body["campaign"]] = books | {"remaining": body["budget"], "delivered": 0, "deals": 0}
        elif entry.kind == "bid_request":
            if seller in self._own:
                self._own[seller]["offered"] += 1
                self._floors[body["package"]] = body["floor_cpm"]
        elif (buyer, seller) in self._between and body.get("campaign") in self._books[buyer]:
            self._read_trade(entry, body, self._books[buyer][body["campaign"]])

    def _read_trade(self, entry: Entry, body: dict[str, Any], books: State) -> None:
        between, own = self._between[entry.buyer, entry.seller], self._own[entry.seller]
        if entry.kind == "deal":
            books["deals"] += 1
            between["deals"] += 1
            own["deals"] += 1
            between["floor_cpm"] = self._floors.get(body["package"], 0)
        elif entry.kind == "delivery":
            for account in (books, between, own):
                account["delivered"] += body["impressions"]
        elif entry.kind == "settlement":
            books["remaining"] -= body["charge"]
            between["spend"] += body["charge"]
            own["revenue"] += body["payout"]
            own["fees"] += body["fee"]

    def states(self) -> dict[str, State]:
        """Every agent's state."""
        states: dict[str, State] = {
            buyer: {
                "campaigns": [books[campaign] for campaign in sorted(books)],
                "sellers": [self._between[buyer, seller] for seller in self._sellers],
            }
            for buyer, books in self._books.items()
        }
        return states | {seller: dict(own) for seller, own in self._own.items()}

    def digests(self) -> dict[str, str]:
        """The digest of every agent's state."""
        return {agent: digest(state) for agent, state in self.states().items()}


def recovery_rate(recovered: dict[str, str], live: dict[str, str]) -> float:
    """The share of all agents, ``recovered`` or ``live``, of whom both digests are there and equal."""
    agents = recovered.keys() | live.keys()
    return 1 - len(unrecovered(recovered, live)) / len(agents)


def unrecovered(recovered: dict[str, str], live: dict[str, str]) -> tuple[str, ...]:
    """The agents of whom a digest is missing or differs, sorted."""
    agents = recovered.keys() | live.keys()
    return tuple(sorted(agent for agent in agents if recovered.get(agent) != live.get(agent)))
