"""The markets of the benchmark, and the budgets they are played with."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import rtb_envs
from benchmarks.pacing.budgets import WithBudget
from benchmarks.pacing.playing import Sizes
from rtb_envs import compile
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
_SMALL_VOLUME = {"search_volume_mean": 200.0, "search_volume_std": 20.0}


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

    @property
    @abstractmethod
    def with_budget(self) -> WithBudget:
        """(params of any kind of action, budget in currency) -> the same with this budget; traceable, one function for
        all markets of a kind.
        """

    @abstractmethod
    def env(self, action_kind: str) -> Environment[Any, Any, Any]:
        """The functional core with this kind of action; the market is the same, bit for bit."""

    @abstractmethod
    def largest_spend(self) -> float:
        """What the highest multiplier is expected to spend in an episode without a budget, in currency."""

    @abstractmethod
    def bidder(self, params: Any) -> Any:
        """What the rules' ``params`` tell of the bidder: its budget, the traffic, the horizon (``BiddingParams``)."""

    @abstractmethod
    def totals(self) -> tuple[str, str]:
        """The entries of info that total an episode's value, and its actions as they happened."""

    @abstractmethod
    def optimum(self, keys: Array, params: Any, budgets: Array) -> Array:
        """R* of the episodes of ``keys`` [keys, budgets], for parameters of the rules' environment."""

    def budget(self, share: float) -> float:
        """This share of the largest spend, in whole units of currency and at least one."""
        return float(max(int(share * self.largest_spend()), 1))

    def params(self, share: float) -> Any:
        """The rules' market with this share of the largest spend as budget."""
        return self.with_budget(self.env(self.rule_actions).default_params, jnp.float32(self.budget(share)))

    def sizes(self) -> Sizes:
        """How much is played here."""
        return Sizes()

    def units(self) -> dict[str, float]:
        """The units of the settings that rules are tuned over, by the name of the unit."""
        return {"linear": 1.0}

    @property
    def has_bid_curves(self) -> bool:
        """Whether rules act by bid curves."""
        return self.rule_actions == "bid_curve"

    def steps(self) -> int:
        """Of an episode."""
        return int(self.bidder(self.env(self.rule_actions).default_params).horizon)

    def auctions(self) -> float:
        """Expected in an episode."""
        volume = self.bidder(self.env(self.rule_actions).default_params).search_volume_mean
        return float(np.asarray(volume, np.float64)[: self.steps()].sum())


@dataclass(frozen=True)
class Campaign(Market):
    """AdAuction: rules act by bid curves, learners by multipliers."""

    @property
    def learner_actions(self) -> Mapping[str, str]:
        return {"a2c": "continuous", "ppo": "continuous", "dqn": "discrete"}

    @property
    def rule_actions(self) -> str:
        return "bid_curve"

    @property
    def with_budget(self) -> WithBudget:
        return _campaign_with_budget

    def env(self, action_kind: str) -> Environment[Any, Any, Any]:
        return _made(self.env_id, (*self.options, ("action_kind", action_kind)))

    def largest_spend(self) -> float:
        return _campaign_spend(self)

    def bidder(self, params: Any) -> Any:
        return params

    def totals(self) -> tuple[str, str]:
        env: Any = self.env(self.rule_actions)
        return VALUE_TOTALS[env.config.objective], f"episode_{env.config.objective}"

    def optimum(self, keys: Array, params: Any, budgets: Array) -> Array:
        found: Array = _campaign_optimum(self.env(self.rule_actions))(keys, params, budgets)
        return found

    def units(self) -> dict[str, float]:
        params = self.env(self.rule_actions).default_params
        return {"linear": 1.0, "standard_bid_price": float(params.standard_bid_price)}


@dataclass(frozen=True)
class Rivalry(Market):
    """AutoBidding: one bidder among scripted ones, with a target cost per action; everybody acts by multipliers."""

    @property
    def learner_actions(self) -> Mapping[str, str]:
        return {"a2c": "multiplier", "ppo": "multiplier", "dqn": "adjustment"}

    @property
    def rule_actions(self) -> str:
        return "multiplier"

    @property
    def with_budget(self) -> WithBudget:
        return _rivalry_with_budget

    def env(self, action_kind: str) -> Environment[Any, Any, Any]:
        seat = _made(self.env_id, self.options)
        return seat if action_kind == self.rule_actions else _adjusted(self)

    def largest_spend(self) -> float:
        return _rivalry_spend(self)

    def bidder(self, params: Any) -> Any:
        return params

    def totals(self) -> tuple[str, str]:
        return "episode_conversion", "episode_conversion"

    def optimum(self, keys: Array, params: Any, budgets: Array) -> Array:
        seat: Any = self.env(self.rule_actions)
        found: Array = _rivalry_optimum(seat, largest_tick(seat.default_params.market))(keys, params, budgets)
        return found

    def sizes(self) -> Sizes:
        """Half as much as elsewhere: an auction has 48 bidders."""
        return Sizes(episodes=16, tuning_episodes=16)

    def units(self) -> dict[str, float]:
        """Multipliers are money per conversion: the target cost per action is their unit."""
        return {"linear": float(self.env(self.rule_actions).default_params.target_cost_per_action)}


def _campaign_with_budget(params: Any, budget: Array) -> Any:
    # Nothing that ``replace`` of these parameters would derive anew depends on the budget.
    return replace(params, initial_budget=jnp.asarray(budget).astype(jnp.int32))


def _rivalry_with_budget(params: Any, budget: Array) -> Any:
    if hasattr(params, "adjustments"):
        return replace(params, market=with_budget(params.market, budget))
    return with_budget(params, budget)


@functools.lru_cache(maxsize=16)
def _campaign_optimum(env: Any) -> Any:
    def find(keys: Array, params: Any, budgets: Array) -> Array:
        def of_episode(key: Array) -> Array:
            # The auctions are ranked once for all budgets.
            return jax.vmap(lambda budget: env.hindsight(key, _campaign_with_budget(params, budget)).optimum)(budgets)

        return jax.lax.map(of_episode, keys, batch_size=32)

    return compile.jit(find)


@functools.lru_cache(maxsize=16)
def _rivalry_optimum(seat: Any, largest: int) -> Any:
    def find(keys: Array, params: Any, budgets: Array) -> Array:
        def of_episode(key: Array) -> Array:
            return jax.lax.map(lambda budget: seat_optimum(seat, key, with_budget(params, budget), largest), budgets)

        return jax.lax.map(of_episode, keys, batch_size=16)

    return compile.jit(find)


@functools.cache
def _made(env_id: str, options: tuple[tuple[str, Any], ...]) -> Environment[Any, Any, Any]:
    return rtb_envs.make(env_id, **dict(options))


@functools.cache
def _adjusted(market: Rivalry) -> Environment[Any, Any, Any]:
    initial = market.units()["linear"]
    return rtb_envs.make("AdAuctionAdjustment-v0", market=market.env(market.rule_actions), initial_multiplier=initial)


@functools.cache
def _campaign_spend(market: Campaign) -> float:
    env: Any = market.env("continuous")
    params = env.default_params
    return expected_episode(env, params, float(params.multiplier_high)).cost


_RICH = 60_000.0
"""A budget, in currency, that no bidder can spend in an episode of AutoBidding."""
_SPEND_EPISODES = 64


@functools.cache
def _rivalry_spend(market: Rivalry) -> float:
    """Where rivals answer, a mean over episodes that nobody is judged in."""
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
    _campaign("first_price", "first price", preset="ipinyou_1458", pricing="first_price", **_SMALL_VOLUME),
    Rivalry(
        "auto_bidding",
        "AutoBidding",
        "AutoBidding-v0",
        (("num_opportunities", 1_500), ("objective", "conversion"), ("observation_keys", OBSERVATION_KEYS)),
    ),
)


def by_name(names: list[str] | None, markets: tuple[Market, ...] = MARKETS) -> list[Market]:
    """The markets of these names, in the table's order; all of them for None. ValueError for an unknown name."""
    known = {market.name: market for market in markets}
    for name in names or ():
        if name not in known:
            raise ValueError(f"market must be one of {', '.join(known)}; got {name!r}")
    return [market for market in markets if names is None or market.name in names]
