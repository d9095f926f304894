"""The markets of the benchmark, and the budgets they are played with."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import rtb_envs
from rtb_envs.core import Environment
from rtb_envs.envs.ad_auction.economics import expected_episode

# Shares of what the highest multiplier is expected to spend in an episode with a boundless budget.
BUDGET_SHARES = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64)
_IPINYOU = ("1458", "2259", "2261", "2821", "2997", "3358", "3386", "3427", "3476")
# Auctions of a step in the iPinYou markets: with 24 steps, 16,800 auctions an episode.
_IPINYOU_VOLUME = {"search_volume_mean": 700.0, "search_volume_std": 70.0}


@dataclass(frozen=True)
class Market:
    """A world to bid in, and how its actions may look.

    ``options`` are those of ``rtb_envs.make``. Rules act by bid curves, learners by multipliers; the auctions are the
    same, bit for bit.
    """

    name: str
    title: str
    env_id: str
    options: tuple[tuple[str, Any], ...]

    def env(self, action_kind: str) -> Environment[Any, Any, Any]:
        """The functional core with this kind of action."""
        return _made(self.env_id, (*self.options, ("action_kind", action_kind)))

    def params(self, action_kind: str, budget_share: float) -> Any:
        """The market's numbers with this share of the largest spend as budget."""
        env = self.env(action_kind)
        budget = max(int(budget_share * self.largest_spend()), 1)
        return env.default_params.replace(initial_budget=budget)

    def largest_spend(self) -> float:
        """What the highest multiplier is expected to spend in an episode without a budget."""
        return _largest_spend(self)


@functools.cache
def _made(env_id: str, options: tuple[tuple[str, Any], ...]) -> Environment[Any, Any, Any]:
    return rtb_envs.make(env_id, **dict(options))


@functools.cache
def _largest_spend(market: Market) -> float:
    env: Any = market.env("continuous")
    params = env.default_params
    return expected_episode(env, params, float(params.multiplier_high)).cost


def _ad_auction(name: str, title: str, **options: Any) -> Market:
    return Market(name, title, "AdAuction-v0", tuple(options.items()))


MARKETS: tuple[Market, ...] = (
    *(
        _ad_auction(f"ipinyou_{campaign}", f"iPinYou {campaign}", preset=f"ipinyou_{campaign}", **_IPINYOU_VOLUME)
        for campaign in _IPINYOU
    ),
    _ad_auction("rtbgym", "RTBGym's instance", preset="rtbgym"),
    _ad_auction("non_stationary", "drift and shocks", preset="stage3"),
)


def by_name(names: list[str] | None, markets: tuple[Market, ...] = MARKETS) -> list[Market]:
    """The markets of these names, in the table's order; all of them for None. ValueError for an unknown name."""
    known = {market.name: market for market in markets}
    for name in names or ():
        if name not in known:
            raise ValueError(f"market must be one of {', '.join(known)}; got {name!r}")
    return [market for market in markets if names is None or market.name in names]
