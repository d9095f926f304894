"""The arguments of RTBGym's ``RTBEnv``, checked once under their own names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from rtb_envs import validation
from rtb_envs.envs.ad_auction.config import MAX_BID, MAX_BUDGET, MAX_VOLUME, CostIndicator, Objective
from rtb_envs.envs.ad_auction.instance import Instance
from rtb_envs.envs.ad_auction.laws import build_law
from rtb_envs.envs.ad_auction.options import Options
from rtb_envs.rtbgym.distributions import MAX_SEED, NormalDistribution

_LARGE = 1e9


@dataclass(frozen=True)
class RTBArguments:
    """What ``RTBEnv`` takes: RTBGym's names, order and defaults. Wrong values raise ValueError or TypeError.

    Laws are written for JAX here: an instance with the method below, or a class whose ``from_instance(instance)``
    builds one (see ``rtb_envs.auctions.market_prices.MarketPrice`` and ``rtb_envs.users.response.Response``).
    """

    objective: Objective = "conversion"
    cost_indicator: CostIndicator = "click"
    step_per_episode: int = 7
    initial_budget: int = 3000
    n_ads: int = 100
    n_users: int = 100
    ad_feature_dim: int = 5
    user_feature_dim: int = 5
    ad_feature_vector: Any = None
    """[n_ads, ad_feature_dim]; None draws them from N(0, 1)."""
    user_feature_vector: Any = None
    ad_sampling_rate: Any = None
    """[n_ads] or [step_per_episode, n_ads], >= 0, normalised; None is uniform."""
    user_sampling_rate: Any = None
    WinningPriceDistribution: Any = None
    """A law with ``price(draw, ad, t)``; None is RTBGym's."""
    ClickThroughRate: Any = None
    """A law with ``rate(ad, user, t)``; None is RTBGym's."""
    ConversionRate: Any = None
    standard_bid_price_distribution: NormalDistribution | None = None
    """None is Normal(50, 5); its mean is the standard bid price."""
    minimum_standard_bid_price: float | None = None
    """None is half the standard bid price."""
    search_volume_distribution: NormalDistribution | None = None
    """Numbers, or one for each step; None is Normal(200, 20)."""
    minimum_search_volume: int = 10
    random_state: int | None = None
    """The seed of the market. Required, as in RTBGym."""

    def __post_init__(self) -> None:
        integer = validation.integer
        validation.choice("objective", self.objective, get_args(Objective))
        validation.choice("cost_indicator", self.cost_indicator, get_args(CostIndicator))
        integer("step_per_episode", self.step_per_episode, 1, 100_000)
        integer("initial_budget", self.initial_budget, 1, MAX_BUDGET)
        for name in ("n_ads", "n_users"):
            integer(name, getattr(self, name), 1, 1_000_000)
        for name in ("ad_feature_dim", "user_feature_dim"):
            integer(name, getattr(self, name), 1, 10_000)
        integer("minimum_search_volume", self.minimum_search_volume, 1, MAX_VOLUME)
        integer("random_state", self.random_state, 0, MAX_SEED)
        for name, rows in (("ad", self.n_ads), ("user", self.n_users)):
            self._check_features(f"{name}_feature_vector", (rows, getattr(self, f"{name}_feature_dim")))
            self._check_rate(f"{name}_sampling_rate", rows)
        self._check_distributions()

    def _check_features(self, name: str, shape: tuple[int, int]) -> None:
        if getattr(self, name) is not None:
            validation.array(name, getattr(self, name), [shape], -_LARGE, _LARGE)

    def _check_rate(self, name: str, count: int) -> None:
        if getattr(self, name) is None:
            return
        shapes = [(count,), (self.step_per_episode, count)]
        rate = validation.array(name, getattr(self, name), shapes, 0, _LARGE)
        if (rate.sum(axis=-1) <= 0).any():
            raise ValueError(f"{name} must have a positive sum in every step, got a sum of 0")

    def _check_distributions(self) -> None:
        for name in ("standard_bid_price_distribution", "search_volume_distribution"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, NormalDistribution):
                raise validation.wrong_type(name, "a NormalDistribution or None", given)
        price, volume = self.standard_bid_price, self.search_volume
        validation.number("standard_bid_price_distribution.mean", price.mean, 0, MAX_BID, open_low=True)
        validation.number("standard_bid_price_distribution.std", price.std, 0, MAX_BID)
        for name in ("mean", "std"):
            shapes = [(), (self.step_per_episode,)]
            validation.array(f"search_volume_distribution.{name}", getattr(volume, name), shapes, 0, MAX_VOLUME)
        if self.minimum_standard_bid_price is not None:
            validation.number("minimum_standard_bid_price", self.minimum_standard_bid_price, 0, float(price.mean))

    @property
    def standard_bid_price(self) -> NormalDistribution:
        """The distribution given or RTBGym's."""
        return self.standard_bid_price_distribution or NormalDistribution(50.0, 5.0)

    @property
    def search_volume(self) -> NormalDistribution:
        """The distribution given or RTBGym's."""
        return self.search_volume_distribution or NormalDistribution(200.0, 20.0)

    def mean_rate(self, name: str, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The time average of the normalised sampling rate ``name`` of ``count`` ids, shape (count,)."""
        given = getattr(self, name)
        rate = np.ones((self.step_per_episode, count)) if given is None else np.atleast_2d(np.asarray(given, float))
        average = (rate / rate.sum(axis=1, keepdims=True)).mean(axis=0)
        normalised: np.ndarray[Any, np.dtype[np.float64]] = average / average.sum()
        return normalised

    def options(self, instance: Instance, **bidder: Any) -> Options:
        """The same market as options of AdAuction, with ``bidder`` options on top."""
        laws = {
            option: build_law(argument, getattr(self, argument), method, instance, None)
            for option, argument, method in (
                ("market_price", "WinningPriceDistribution", "price"),
                ("click_rate", "ClickThroughRate", "rate"),
                ("conversion_rate", "ConversionRate", "rate"),
            )
        }
        same = ("objective", "cost_indicator", "initial_budget", "minimum_search_volume", "n_ads", "n_users")
        also = ("ad_feature_dim", "user_feature_dim", "ad_sampling_rate", "user_sampling_rate")
        return Options(
            horizon=self.step_per_episode,
            search_volume_mean=self.search_volume.mean,
            search_volume_std=self.search_volume.std,
            standard_bid_price=float(self.standard_bid_price.mean),
            compat="rtbgym",
            **{name: getattr(self, name) for name in same + also},
            **laws,
            **bidder,
        )
