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
from rtb_envs.envs.ad_auction import bounds
from rtb_envs.envs.ad_auction.config import (
    MAX_AUCTIONS,
    MAX_VOLUME,
    OBSERVATION_KEYS,
    ActionKind,
    BudgetRule,
    Compat,
    Config,
    CostIndicator,
    Objective,
)
from rtb_envs.envs.ad_auction.instance import Instance, WavePhase, compiled_sample_instance
from rtb_envs.envs.ad_auction.laws import METHODS, build_law
from rtb_envs.envs.ad_auction.params import MarketShift, Params
from rtb_envs.envs.ad_auction.predictor import predicted_rates
from rtb_envs.random import Generator
from rtb_envs.users.traffic import hour_weights

DEFAULT_ACTIONS = 10


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
    """The mean bid at multiplier 1 under the default scaler. No bid or charge exceeds 2**20; higher ones are cut."""
    standard_bid_price_std: float = 5.0
    """Spread over ads of the level that the default price law follows."""
    reward_predictor: Any = None
    """A scikit-learn style estimator of the bidder's rate on [ad features, user features, t]; fitted here."""
    scaler: float | None = None
    # The interface
    action_kind: ActionKind = "continuous"
    multiplier_low: float = 0.1
    multiplier_high: float = 10.0
    n_actions: int | None = None
    """Number of discrete actions; None is that of ``action_meanings``, else 10. Of discrete actions only."""
    action_meanings: Any = None
    """[n_actions] multipliers of the discrete actions, and of these only; None spaces them evenly in the logarithm."""
    bid_curve_knots: Any = None
    """[K] relative rates at which a bid curve is given, increasing, 2 <= K <= 64; None is 17 from 1/16 to 16, two an
    octave. Of bid curves only."""
    observation_keys: Any = OBSERVATION_KEYS
    # Compilation
    max_auctions: int | None = None
    """Auctions computed at once; None fits the search volume."""
    largest_search_volume: int | None = None
    """A bound on every volume; None is the least that holds."""
    generator: Generator = "counter"
    compat: Compat | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in bounds.NUMBERS and not (value is None and field.default is None):
                bounds.NUMBERS[field.name].check(field.name, value, bounds.NUMBERS[field.name].whole)
        bounds.check_multipliers(self.multiplier_low, self.multiplier_high)
        bounds.check_table(horizon=self.horizon, n_ads=self.n_ads, n_users=self.n_users)
        bounds.check_table(n_ads=self.n_ads, ad_feature_dim=self.ad_feature_dim)
        bounds.check_table(n_users=self.n_users, user_feature_dim=self.user_feature_dim)
        validation.boolean("day_curve", self.day_curve)
        validation.choice("action_kind", self.action_kind, get_args(ActionKind))
        validation.choice("wave_phase", self.wave_phase, get_args(WavePhase))
        for name, kind in (
            ("n_actions", "discrete"),
            ("action_meanings", "discrete"),
            ("bid_curve_knots", "bid_curve"),
        ):
            if getattr(self, name) is not None and self.action_kind != kind:
                allowed = f"None unless action_kind is {kind!r} (it is {self.action_kind!r})"
                raise validation.wrong_value(name, allowed, getattr(self, name))

    def config(self) -> Config:
        """The static part."""
        volume_mean, volume_std = self._volumes()
        largest = bounds.check_volumes(volume_mean, volume_std, self.minimum_search_volume, self.horizon)
        keys = self.observation_keys
        return Config(
            max_horizon=self.horizon,
            max_auctions=self.max_auctions if self.max_auctions is not None else _block(volume_mean, volume_std),
            largest_search_volume=self._largest_volume(largest),
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
                given[name] = _float(bounds.array(name, getattr(self, name), [shape]))
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
            **{
                name: build_law(name, getattr(self, name), method, instance, getattr(instance, name))
                for name, method in METHODS.items()
            },
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
        mean = bounds.array("search_volume_mean", self.search_volume_mean, [(), (self.horizon,)])
        std = bounds.array("search_volume_std", self.search_volume_std, [(), (self.horizon,)])
        weights = np.asarray(hour_weights(self.horizon), np.float64) if self.day_curve else np.ones(self.horizon)
        return mean * weights, std * weights

    def _largest_volume(self, least: int) -> int:
        if self.largest_search_volume is None:
            return least
        return validation.integer("largest_search_volume", self.largest_search_volume, least, MAX_VOLUME)

    def _rate(self, name: str, count: int) -> jax.Array | None:
        if getattr(self, name) is None:
            return None
        return _float(bounds.normalised_rate(name, getattr(self, name), self.horizon, count))

    def _action_meanings(self) -> jax.Array | None:
        if self.action_kind != "discrete":
            return None
        low, high, count = self.multiplier_low, self.multiplier_high, self.n_actions
        if self.action_meanings is not None:
            shape = np.shape(self.action_meanings)[:1] or (DEFAULT_ACTIONS,) if count is None else (count,)
            shapes: list[tuple[int, ...]] = [shape]
            given = validation.array("action_meanings", self.action_meanings, shapes, low, high)
            bounds.NUMBERS["n_actions"].check("the number of action_meanings", given.size, whole=True)
            return _float(given)
        if low <= 0:
            raise validation.wrong_value("multiplier_low", "positive unless action_meanings are given", low)
        meanings = np.geomspace(low, high, DEFAULT_ACTIONS if count is None else count)
        meanings[[0, -1]] = low, high  # powers may round beyond the ends, which actions must not leave
        return _float(meanings)

    def _bid_curve_knots(self) -> jax.Array | None:
        if self.action_kind != "bid_curve":
            return None
        if self.bid_curve_knots is None:
            return _float(2.0 ** np.linspace(-4, 4, 17))
        lengths = [(length,) for length in range(2, bounds.MAX_KNOTS + 1)]
        if np.shape(self.bid_curve_knots) not in lengths:
            raise ValueError(f"bid_curve_knots must be 2 to {bounds.MAX_KNOTS} numbers, got {self.bid_curve_knots!r}")
        knots = bounds.array("bid_curve_knots", self.bid_curve_knots, lengths)
        bounds.check_knots(knots)
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
