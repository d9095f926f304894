"""What a user may set of an AdAuction, checked once, and turned into a static configuration and parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import validation
from rtb_envs.auctions.mechanisms import Pricing
from rtb_envs.envs.ad_auction.config import (
    MAX_AUCTIONS,
    MAX_BID,
    MAX_BUDGET,
    MAX_VOLUME,
    OBSERVATION_KEYS,
    ActionKind,
    BudgetRule,
    Compat,
    Config,
    CostIndicator,
    Objective,
)
from rtb_envs.envs.ad_auction.instance import Instance, WavePhase, build_law, compiled_sample_instance
from rtb_envs.envs.ad_auction.params import MarketShift, Params
from rtb_envs.envs.ad_auction.predictor import predicted_rates
from rtb_envs.random import NORMAL_BOUND, Generator
from rtb_envs.users.traffic import hour_weights

_LARGE = 1e9
MAX_KNOTS = 64


@dataclass(frozen=True)
class Options:
    """Every option of ``make("AdAuction-v0", ...)``. Wrong values raise ValueError or TypeError naming the field.

    Arrays may be NumPy or JAX arrays or nested lists. Money has one unit, the caller's; prices are per charged event.
    """

    # The episode
    horizon: int = 7
    """Steps of an episode, T."""
    initial_budget: int = 3000
    """Whole money units, 1 .. 2**24."""
    search_volume_mean: Any = 200.0
    """Mean auctions of a step; a number or [T]."""
    search_volume_std: Any = 20.0
    minimum_search_volume: int = 10
    day_curve: bool = False
    """Spread the volume over the steps as the hours of a day do; the mean over the day is kept."""
    # What is bought
    objective: Objective = "conversion"
    cost_indicator: CostIndicator = "click"
    target_cost_per_action: float | None = None
    """Delivery constraint: the return is multiplied by min(1, (target / cost per action)**2)."""
    # The instance
    instance_seed: int = 12345
    n_ads: int = 100
    n_users: int = 100
    ad_feature_dim: int = 5
    user_feature_dim: int = 5
    ad_features: Any = None
    """[n_ads, ad_feature_dim]; None draws them from N(0, 1)."""
    user_features: Any = None
    ad_sampling_rate: Any = None
    """[n_ads] or [T, n_ads], >= 0; normalised per step; None is uniform."""
    user_sampling_rate: Any = None
    wave_phase: WavePhase = "rtbgym"
    """Time factors of the default CTR and CVR: "rtbgym" divides the phases by T as RTBGym does, so that the waves are
    nearly in phase; "spread" keeps the phases whole."""
    # Laws: an instance of the law, or a class with ``from_instance(instance)``
    market_price: Any = None
    click_rate: Any = None
    conversion_rate: Any = None
    # The auction
    pricing: Pricing = "second_price"
    hybrid_weight: float = 0.0
    """Share of the first price under hybrid pricing, 0 .. 1."""
    reserve_price: float = 0.0
    minimum_price: float = 1.0
    drift: float = 0.0
    """Relative change of the price level by the last step, up or down at random."""
    shock_factor: float = 1.0
    shock_duration: int = 1
    budget_rule: BudgetRule = "stop"
    # The bidder
    standard_bid_price: float = 50.0
    standard_bid_price_std: float = 5.0
    """Spread over ads of the level that the default price law follows."""
    reward_predictor: Any = None
    """A scikit-learn style estimator of the bidder's rate on [ad features, user features, t]; fitted here."""
    scaler: float | None = None
    # The interface
    action_kind: ActionKind = "continuous"
    multiplier_low: float = 0.1
    multiplier_high: float = 10.0
    n_actions: int = 10
    action_meanings: Any = None
    """[n_actions] multipliers of the discrete actions; None spaces them evenly in the logarithm."""
    bid_curve_knots: Any = None
    """[K] relative rates at which a bid curve is given, increasing, 2 <= K <= 64; None is 17 from 1/16 to 16, two an
    octave."""
    observation_keys: Any = OBSERVATION_KEYS
    # Compilation
    max_auctions: int | None = None
    """Auctions computed at once; None fits the search volume."""
    largest_search_volume: int | None = None
    """A bound on every volume; None is the least that holds."""
    generator: Generator = "counter"
    compat: Compat | None = None

    def __post_init__(self) -> None:
        integer, number = validation.integer, validation.number
        integer("horizon", self.horizon, 1, 100_000)
        integer("initial_budget", self.initial_budget, 1, MAX_BUDGET)
        integer("minimum_search_volume", self.minimum_search_volume, 1, MAX_VOLUME)
        integer("instance_seed", self.instance_seed, 0, 2**32 - 1)
        for name in ("n_ads", "n_users"):
            integer(name, getattr(self, name), 1, 1_000_000)
        for name in ("ad_feature_dim", "user_feature_dim"):
            integer(name, getattr(self, name), 1, 10_000)
        integer("shock_duration", self.shock_duration, 0, 100_000)
        integer("n_actions", self.n_actions, 2, 100_000)
        number("hybrid_weight", self.hybrid_weight, 0, 1)
        number("reserve_price", self.reserve_price, 0, MAX_BID)
        number("minimum_price", self.minimum_price, 0, MAX_BID)
        number("drift", self.drift, 0, 1)
        number("shock_factor", self.shock_factor, 0, 1e3, open_low=True)
        number("standard_bid_price", self.standard_bid_price, 0, MAX_BID, open_low=True)
        number("standard_bid_price_std", self.standard_bid_price_std, 0, MAX_BID)
        number("multiplier_low", self.multiplier_low, 0, _LARGE)
        number("multiplier_high", self.multiplier_high, self.multiplier_low, _LARGE, open_low=True)
        if self.scaler is not None:
            number("scaler", self.scaler, 0, _LARGE, open_low=True)
        if self.target_cost_per_action is not None:
            number("target_cost_per_action", self.target_cost_per_action, 0, _LARGE, open_low=True)
        validation.boolean("day_curve", self.day_curve)
        validation.choice("action_kind", self.action_kind, get_args(ActionKind))
        validation.choice("wave_phase", self.wave_phase, get_args(WavePhase))

    def config(self) -> Config:
        """The static part."""
        volume_mean, volume_std = self._volumes()
        largest = max(float(np.max(volume_mean + NORMAL_BOUND * volume_std)), self.minimum_search_volume)
        if largest > MAX_VOLUME:
            raise validation.wrong_value("search_volume_mean", f"such that no volume exceeds {MAX_VOLUME}", largest)
        keys = self.observation_keys
        return Config(
            max_horizon=self.horizon,
            max_auctions=self.max_auctions if self.max_auctions is not None else _block(volume_mean, volume_std),
            largest_search_volume=self._largest_volume(math.floor(largest)),
            objective=self.objective,
            cost_indicator=self.cost_indicator,
            pricing=self.pricing,
            budget_rule=self.budget_rule,
            action_kind=self.action_kind,
            observation_keys=tuple(keys) if isinstance(keys, list) else keys,
            generator=self.generator,
            compat=self.compat,
        )

    def params(self) -> Params:
        """The numbers, with the instance drawn, laws built and the reward predictor fitted."""
        return self.params_of(self.instance())

    def instance(self) -> Instance:
        """The market's ads, users and default laws, drawn from ``instance_seed``."""
        drawn: Instance = compiled_sample_instance()(
            jax.random.key(self.instance_seed),
            self.horizon,
            (self.n_ads, self.ad_feature_dim),
            (self.n_users, self.user_feature_dim),
            self.standard_bid_price,
            self.standard_bid_price_std,
            self.wave_phase,
        )
        given: dict[str, Any] = {}
        for name, shape in (
            ("ad_features", (self.n_ads, self.ad_feature_dim)),
            ("user_features", (self.n_users, self.user_feature_dim)),
        ):
            if getattr(self, name) is not None:
                given[name] = _float(validation.array(name, getattr(self, name), [shape], -_LARGE, _LARGE))
        return drawn.with_features(**given)

    def params_of(self, instance: Instance) -> Params:
        """The numbers of the market around a given instance."""
        volume_mean, volume_std = self._volumes()
        params = Params(
            ad_features=instance.ad_features,
            user_features=instance.user_features,
            horizon=jnp.asarray(self.horizon, jnp.int32),
            initial_budget=jnp.asarray(self.initial_budget, jnp.int32),
            search_volume_mean=_float(volume_mean),
            search_volume_std=_float(volume_std),
            minimum_search_volume=_float(self.minimum_search_volume),
            ad_sampling_rate=self._rate("ad_sampling_rate", self.n_ads),
            user_sampling_rate=self._rate("user_sampling_rate", self.n_users),
            market_price=build_law("market_price", self.market_price, "price", instance, instance.market_price),
            click_rate=build_law("click_rate", self.click_rate, "rate", instance, instance.click_rate),
            conversion_rate=build_law(
                "conversion_rate", self.conversion_rate, "rate", instance, instance.conversion_rate
            ),
            predicted_rate=None,
            shift=MarketShift(
                _float(self.drift), _float(self.shock_factor), jnp.asarray(self.shock_duration, jnp.int32)
            ),
            standard_bid_price=_float(self.standard_bid_price),
            scaler=None if self.scaler is None else _float(self.scaler),
            minimum_price=_float(self.minimum_price),
            reserve_price=_float(self.reserve_price),
            hybrid_weight=_float(self.hybrid_weight),
            target_cost_per_action=None if self.target_cost_per_action is None else _float(self.target_cost_per_action),
            multiplier_low=_float(self.multiplier_low),
            multiplier_high=_float(self.multiplier_high),
            action_meanings=self._action_meanings(),
            bid_curve_knots=self._bid_curve_knots(),
        )
        if self.reward_predictor is None:
            return params.replace()
        predicted = predicted_rates(self.reward_predictor, params, self.objective, self.instance_seed)
        return params.replace(predicted_rate=predicted)

    def _volumes(self) -> tuple[np.ndarray, np.ndarray]:
        mean = validation.array("search_volume_mean", self.search_volume_mean, [(), (self.horizon,)], 0, MAX_VOLUME)
        std = validation.array("search_volume_std", self.search_volume_std, [(), (self.horizon,)], 0, MAX_VOLUME)
        weights = np.asarray(hour_weights(self.horizon), np.float64) if self.day_curve else np.ones(self.horizon)
        return mean * weights, std * weights

    def _largest_volume(self, least: int) -> int:
        if self.largest_search_volume is None:
            return max(1, least)
        return validation.integer("largest_search_volume", self.largest_search_volume, max(1, least), MAX_VOLUME)

    def _rate(self, name: str, count: int) -> jax.Array | None:
        if getattr(self, name) is None:
            return None
        rate = validation.array(name, getattr(self, name), [(count,), (self.horizon, count)], 0, _LARGE)
        rate = np.broadcast_to(rate, (self.horizon, count))
        if (rate.sum(axis=1) <= 0).any():
            raise ValueError(f"{name} must have a positive sum in every step, got a sum of 0")
        return _float(rate / rate.sum(axis=1, keepdims=True))

    def _action_meanings(self) -> jax.Array | None:
        if self.action_kind != "discrete":
            return None
        low, high = self.multiplier_low, self.multiplier_high
        if self.action_meanings is not None:
            return _float(validation.array("action_meanings", self.action_meanings, [(self.n_actions,)], low, high))
        if low <= 0:
            raise validation.wrong_value("multiplier_low", "positive unless action_meanings are given", low)
        meanings = np.geomspace(low, high, self.n_actions)
        meanings[[0, -1]] = low, high  # powers may round beyond the ends, which actions must not leave
        return _float(meanings)

    def _bid_curve_knots(self) -> jax.Array | None:
        if self.action_kind != "bid_curve":
            return None
        if self.bid_curve_knots is None:
            return _float(2.0 ** np.linspace(-4, 4, 17))
        lengths = [(length,) for length in range(2, MAX_KNOTS + 1)]
        if np.shape(self.bid_curve_knots) not in lengths:
            raise ValueError(f"bid_curve_knots must be 2 to {MAX_KNOTS} numbers, got {self.bid_curve_knots!r}")
        knots = validation.array("bid_curve_knots", self.bid_curve_knots, lengths, 1e-6, 1e6)
        if (np.diff(knots) <= 1e-3 * knots[1:]).any():
            raise validation.wrong_value("bid_curve_knots", "increasing by a thousandth at least", self.bid_curve_knots)
        return _float(knots)


def option_names() -> tuple[str, ...]:
    """The names that ``make("AdAuction-v0", ...)`` takes beside ``preset``."""
    return tuple(field.name for field in fields(Options))


def _block(mean: np.ndarray, std: np.ndarray) -> int:
    """A block that holds all but the largest volumes: 3.5 standard deviations above the mean, a multiple of 16."""
    width = 16 * math.ceil(float(np.max(mean + 3.5 * std)) / 16)
    return int(np.clip(width, 16, MAX_AUCTIONS))


def _float(value: Any) -> jax.Array:
    return jnp.asarray(value, float)
