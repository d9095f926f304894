"""What a user may set of an AdPlacement, checked once, and turned into a static configuration and parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import validation
from rtb_envs.auctions.mechanisms import Pricing
from rtb_envs.envs.ad_placement.catalogue import Advertiser, SlotType, advertisers_of, slot_types_of
from rtb_envs.envs.ad_placement.config import (
    MAX_ADVERTISERS,
    MAX_HORIZON,
    MAX_SLOT_TYPES,
    BelowFloor,
    Config,
    Market,
)
from rtb_envs.envs.ad_placement.fixed_point import MICROS
from rtb_envs.envs.ad_placement.params import NO_BUDGET, RANGES, Params, derive
from rtb_envs.random import Generator
from rtb_envs.users.traffic import HOUR_WEIGHTS

MAX_USER_TYPES = 64
_NUMBERS = (
    *("hybrid_weight", "floor_multiplier", "noise", "fatigue_sensitivity", "fatigue_floor", "pressure_half_life"),
    *("leaving_hazard", "patience", "annoyance_hazard", "arrival_rate", "max_ecpm"),
)
_MARKET_DEFAULTS: dict[str, dict[str, float]] = {
    "classic": {"noise": 0.0, "fatigue_sensitivity": 0.3, "max_ecpm": 10.0},
    "real": {"noise": 0.0002, "fatigue_sensitivity": 0.3, "max_ecpm": 40.0},
}


@dataclass(frozen=True)
class Options:
    """Every option of ``make("AdPlacement-v0", ...)``. Wrong values raise ValueError or TypeError naming the field.

    None takes the market's own value: of the classic market and of the real one in this order. Where no source is
    named, values are this project's assumptions.
    """

    market: Market = "real"
    horizon: int = 1000
    """Events of an episode, one day; 1 .. 100,000."""
    max_slots: int = 3
    advertisers: Any = None
    """A sequence of ``Advertiser`` or mappings of its fields; None is the market's own."""
    slot_types: Any = None
    """A sequence of ``SlotType`` or mappings of its fields; None is the market's own."""
    # The auction
    pricing: Pricing = "second_price"
    hybrid_weight: float = 0.25
    """Share of the first price under hybrid pricing, 0 .. 1."""
    floor_multiplier: float = 1.0
    below_floor: BelowFloor = "no_fill"
    # The response
    viewability: bool = True
    """Whether an ad is seen with the slot type's viewability, or always."""
    noise: float | None = None
    """Click rates are disturbed by a uniform number within +- this, 0 .. .05; None: 0, .0002."""
    fatigue_sensitivity: float | None = None
    """s of exp(-s * pressure), 0 .. 2; None: .3 in both."""
    # Users; of the real market only
    fatigue_floor: float = 0.4
    """Share of the click rate that no pressure takes away."""
    pressure_half_life: float = 2.0
    """Events in which a user forgets half of the pressure."""
    leaving_hazard: float = 0.02
    """Chance that an unpressed user's session ends after an event."""
    patience: float = 2.0
    """Pressure that drives nobody away, in impressions."""
    annoyance_hazard: float = 0.1
    """What each squared impression of pressure beyond ``patience`` adds to the chance."""
    arrival_rate: float = 0.03
    """Chance that the next user is there in an event without one, on the day's average; by hour as traffic is."""
    user_ctr_factor: Any = None
    """Factor of each equally frequent type of user on click rates; None: (1,), (.6, .9, 1.1, 1.4)."""
    # The observation
    max_ecpm: float | None = None
    """$ per mille that an observation of 1 stands for; None: 10, 40."""
    max_exposures: int = 50
    """Impressions of a session, and events of its age, that an observation of 1 stands for."""
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        validation.choice("market", self.market, get_args(Market))
        validation.integer("horizon", self.horizon, 1, MAX_HORIZON)
        validation.integer("max_exposures", self.max_exposures, 1, 1_000_000)
        self.config()
        for name in _NUMBERS:
            low, high, open_low = RANGES[name]
            validation.number(name, self._value(name), low, high, open_low=open_low)
        self._check_sizes()
        self._user_factors()

    def config(self) -> Config:
        """The static part."""
        return Config(
            market=self.market,
            max_slots=self.max_slots,
            pricing=self.pricing,
            below_floor=self.below_floor,
            viewability=self.viewability,
            has_noise=self._value("noise") != 0,
            generator=self.generator,
        )

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of the advertisers and of the slot types."""
        advertisers, slot_types = self._catalogue()
        return tuple(one.name for one in advertisers), tuple(one.name for one in slot_types)

    def params(self) -> Params:
        """The numbers."""
        advertisers, slot_types = self._catalogue()
        classic = self.market == "classic"
        formats = np.array([[buyer.format == kind.format for buyer in advertisers] for kind in slot_types])
        budgets = [NO_BUDGET if one.daily_budget is None else round(one.daily_budget * MICROS) for one in advertisers]
        numbers: dict[str, Any] = {name: _floats(self._value(name)) for name in _NUMBERS}
        return derive(
            Params(
                horizon=jnp.asarray(self.horizon, jnp.int32),
                ctr=_floats([one.ctr for one in advertisers]),
                quality=_floats([one.quality for one in advertisers]),
                bid_cpm=_floats([(one.bid_cpm or 0) * classic for one in advertisers]),
                value_per_click=_floats([(one.value_per_click or 0) * (not classic) for one in advertisers]),
                daily_budget=jnp.asarray(budgets, jnp.int32),
                is_limited=jnp.asarray([one.daily_budget is not None for one in advertisers]),
                takes_format=jnp.asarray(formats),
                viewability=_floats([one.viewability for one in slot_types]),
                floor_cpm=_floats([one.floor_cpm for one in slot_types]),
                slot_type_share=_floats([one.share for one in slot_types]),
                hour_weight=_floats(HOUR_WEIGHTS),
                user_ctr_factor=_floats(self._user_factors()),
                max_exposures=_floats(self.max_exposures),
                num_slots=jnp.asarray(self.max_slots, jnp.int32),
                **numbers,
            )
        )

    def _value(self, name: str) -> Any:
        value = getattr(self, name)
        return _MARKET_DEFAULTS[self.market].get(name) if value is None else value

    def _catalogue(self) -> tuple[tuple[Advertiser, ...], tuple[SlotType, ...]]:
        return advertisers_of(self.advertisers, self.market), slot_types_of(self.slot_types, self.market)

    def _check_sizes(self) -> None:
        advertisers, slot_types = self._catalogue()
        validation.integer("the number of advertisers", len(advertisers), 1, MAX_ADVERTISERS)
        validation.integer("the number of slot_types", len(slot_types), 1, MAX_SLOT_TYPES)

    def _user_factors(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        if self.user_ctr_factor is None:
            return np.array([1.0] if self.market == "classic" else [0.6, 0.9, 1.1, 1.4])
        shapes: list[tuple[int, ...]] = [(size,) for size in range(1, MAX_USER_TYPES + 1)]
        if np.shape(self.user_ctr_factor) not in shapes:
            raise validation.wrong_value("user_ctr_factor", f"1 to {MAX_USER_TYPES} numbers", self.user_ctr_factor)
        return validation.array("user_ctr_factor", self.user_ctr_factor, shapes, 0, 100)


def option_names() -> tuple[str, ...]:
    """The names that ``make("AdPlacement-v0", ...)`` takes."""
    return tuple(field.name for field in fields(Options))


def _floats(value: Any) -> jax.Array:
    return jnp.asarray(value, float)
