"""The markets of the benchmark, and the budgets they are played with."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
from jax import Array

import rtb_envs
from rtb_envs.core import Environment
from rtb_envs.envs.ad_auction.economics import expected_episode
from rtb_envs.envs.auto_bidding.config import OBSERVATION_KEYS
from rtb_envs.envs.auto_bidding.hindsight import expected_largest_spend, largest_tick, seat_optimum, with_budget
from rtb_envs.random import TUNE, lane_keys
from training.evaluation import VALUE_TOTALS

# Shares of what the highest multiplier is expected to spend in an episode with a boundless budget.
BUDGET_SHARES = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64)
_IPINYOU = ("1458", "2259", "2261", "2821", "2997", "3358", "3386", "3427", "3476")
# Auctions of a step in the iPinYou markets: with 24 steps, 16,800 auctions an episode.
_IPINYOU_VOLUME = {"search_volume_mean": 700.0, "search_volume_std": 70.0}


@dataclass(frozen=True)
class Market(ABC):
    """A world to bid in; ``options`` are those of ``rtb_envs.make``."""

    name: str
    title: str
    env_id: str
    options: tuple[tuple[str, Any], ...]

    @property
    @abstractmethod
    def learner_actions(self) -> Mapping[str, str]:
        """The learners that play here, and the kind of action that each has."""

    @property
    @abstractmethod
    def rule_actions(self) -> str:
        """The kind of action that rules have."""

    @abstractmethod
    def env(self, action_kind: str) -> Environment[Any, Any, Any]:
        """The functional core with this kind of action; the market is the same, bit for bit."""

    @abstractmethod
    def params(self, action_kind: str, budget_share: float) -> Any:
        """The market's numbers with this share of the largest spend as budget."""

    @abstractmethod
    def bidder(self, params: Any) -> Any:
        """What ``params`` tell of the bidder: its budget, the traffic, the horizon (``BiddingParams``)."""

    @abstractmethod
    def totals(self) -> tuple[str, str]:
        """The entries of info that total an episode's value, and its actions as they happened."""

    @abstractmethod
    def optimum(self, params: Any, keys: Array) -> Array:
        """R* of the episodes of ``keys``, for parameters of the rules' environment."""

    def units(self) -> dict[str, float]:
        """The units of the settings that rules are tuned over, by the name of the unit."""
        return {"linear": 1.0}


@dataclass(frozen=True)
class Campaign(Market):
    """AdAuction: rules act by bid curves, learners by multipliers."""

    @property
    def learner_actions(self) -> Mapping[str, str]:
        return {"ppo": "continuous", "dqn": "discrete"}

    @property
    def rule_actions(self) -> str:
        return "bid_curve"

    def env(self, action_kind: str) -> Environment[Any, Any, Any]:
        return _made(self.env_id, (*self.options, ("action_kind", action_kind)))

    def params(self, action_kind: str, budget_share: float) -> Any:
        budget = max(int(budget_share * _campaign_spend(self)), 1)
        return self.env(action_kind).default_params.replace(initial_budget=budget)

    def bidder(self, params: Any) -> Any:
        return params

    def totals(self) -> tuple[str, str]:
        env: Any = self.env(self.rule_actions)
        return VALUE_TOTALS[env.config.objective], f"episode_{env.config.objective}"

    def optimum(self, params: Any, keys: Array) -> Array:
        env: Any = self.env(self.rule_actions)
        return jax.lax.map(lambda key: env.hindsight(key, params).optimum, keys, batch_size=32)

    def units(self) -> dict[str, float]:
        params = self.env(self.rule_actions).default_params
        return {"linear": 1.0, "standard_bid_price": float(params.standard_bid_price)}


@dataclass(frozen=True)
class Rivalry(Market):
    """AutoBidding: one bidder among scripted ones, with a target cost per action; everybody acts by multipliers."""

    @property
    def learner_actions(self) -> Mapping[str, str]:
        return {"ppo": "multiplier", "dqn": "adjustment"}

    @property
    def rule_actions(self) -> str:
        return "multiplier"

    def env(self, action_kind: str) -> Environment[Any, Any, Any]:
        seat = _made(self.env_id, self.options)
        return seat if action_kind == self.rule_actions else _adjusted(self)

    def params(self, action_kind: str, budget_share: float) -> Any:
        seat = self.env(self.rule_actions)
        market = with_budget(seat.default_params, budget_share * _rivalry_spend(self))
        if action_kind == self.rule_actions:
            return market
        return replace(self.env(action_kind).default_params, market=market)

    def bidder(self, params: Any) -> Any:
        return getattr(params, "market", params) if hasattr(params, "adjustments") else params

    def totals(self) -> tuple[str, str]:
        return "episode_conversion", "episode_conversion"

    def optimum(self, params: Any, keys: Array) -> Array:
        seat: Any = self.env(self.rule_actions)
        size = largest_tick(seat.default_params.market)
        return jax.lax.map(lambda key: seat_optimum(seat, key, params, size), keys, batch_size=16)

    def units(self) -> dict[str, float]:
        """Multipliers are money per conversion: the target cost per action is their unit."""
        return {"linear": float(self.env(self.rule_actions).default_params.target_cost_per_action)}


@functools.cache
def _made(env_id: str, options: tuple[tuple[str, Any], ...]) -> Environment[Any, Any, Any]:
    return rtb_envs.make(env_id, **dict(options))


@functools.cache
def _adjusted(market: Rivalry) -> Environment[Any, Any, Any]:
    initial = market.units()["linear"]
    return rtb_envs.make("AdAuctionAdjustment-v0", market=market.env(market.rule_actions), initial_multiplier=initial)


@functools.cache
def _campaign_spend(market: Campaign) -> float:
    """What the highest multiplier is expected to spend in an episode without a budget."""
    env: Any = market.env("continuous")
    params = env.default_params
    return expected_episode(env, params, float(params.multiplier_high)).cost


_RICH = 60_000.0
"""A budget, in currency, that no bidder can spend in an episode of AutoBidding."""
_SPEND_EPISODES = 64


@functools.cache
def _rivalry_spend(market: Rivalry) -> float:
    """The same in AutoBidding, where rivals answer: a mean over episodes that nobody is judged in."""
    seat: Any = market.env(market.rule_actions)
    keys = jax.vmap(jax.random.fold_in, (0, None))(lane_keys(1, TUNE, _SPEND_EPISODES), 0)
    return expected_largest_spend(seat, keys, seat.default_params, _RICH)


def _campaign(name: str, title: str, **options: Any) -> Market:
    return Campaign(name, title, "AdAuction-v0", tuple(options.items()))


MARKETS: tuple[Market, ...] = (
    *(
        _campaign(f"ipinyou_{campaign}", f"iPinYou {campaign}", preset=f"ipinyou_{campaign}", **_IPINYOU_VOLUME)
        for campaign in _IPINYOU
    ),
    _campaign("rtbgym", "RTBGym's instance", preset="rtbgym"),
    _campaign("non_stationary", "drift and shocks", preset="stage3"),
    Rivalry(
        "auto_bidding",
        "AutoBidding",
        "AutoBidding-v0",
        (("num_opportunities", 1_500), ("observation_keys", OBSERVATION_KEYS)),
    ),
)


def by_name(names: list[str] | None, markets: tuple[Market, ...] = MARKETS) -> list[Market]:
    """The markets of these names, in the table's order; all of them for None. ValueError for an unknown name."""
    known = {market.name: market for market in markets}
    for name in names or ():
        if name not in known:
            raise ValueError(f"market must be one of {', '.join(known)}; got {name!r}")
    return [market for market in markets if names is None or market.name in names]
