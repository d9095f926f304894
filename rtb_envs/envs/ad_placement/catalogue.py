"""Who buys and what is sold: advertisers and slot types, and the default ones.

Where a figure is published, its source is named; the others are this project's own assumptions, chosen such that
prices of display lie at some $2 to $7 a mille impressions, with video above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from rtb_envs import validation
from rtb_envs.envs.ad_placement.config import LEAST_AMOUNT, MAX_CPM, Market

MAX_DAILY_BUDGET = 2000.0
"""In $; sums of micro-dollars fit int32."""


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise validation.wrong_type(name, "a text that is not empty", value)


@dataclass(frozen=True)
class Advertiser:
    """An advertiser with one campaign. Wrong numbers raise ValueError or TypeError naming the field."""

    name: str
    ctr: float
    """Base click rate, 0 .. 1: of an impression in the classic market, of a viewable one in the real market."""
    quality: float = 1.0
    format: str = "banner"
    """Takes part in auctions of slots of this format."""
    bid_cpm: float | None = None
    """What it bids in the classic market, in $ per mille, 1e-6 .. 200."""
    value_per_click: float | None = None
    """What a click is worth to it in the real market, in $, 1e-6 .. 10,000; it bids pCTR * value * 1000 per mille."""
    daily_budget: float | None = None
    """In $ an episode, 1e-6 .. 2,000; None is without limit."""

    def __post_init__(self) -> None:
        _text("name", self.name)
        _text("format", self.format)
        validation.number("ctr", self.ctr, 0, 1)
        validation.number("quality", self.quality, 0, 10)
        if self.bid_cpm is not None:
            validation.number("bid_cpm", self.bid_cpm, LEAST_AMOUNT, MAX_CPM)
        if self.value_per_click is not None:
            validation.number("value_per_click", self.value_per_click, LEAST_AMOUNT, 1e4)
        if self.daily_budget is not None:
            validation.number("daily_budget", self.daily_budget, LEAST_AMOUNT, MAX_DAILY_BUDGET)


@dataclass(frozen=True)
class SlotType:
    """A kind of ad slot. Wrong numbers raise ValueError or TypeError naming the field."""

    name: str
    viewability: float
    """Chance that an ad in it is seen, 0 .. 1."""
    floor_cpm: float
    """Least price in $ per mille."""
    format: str = "banner"
    share: float = 1.0
    """How often events have it, relative to the other types, 1e-6 .. 1e6."""

    def __post_init__(self) -> None:
        _text("name", self.name)
        _text("format", self.format)
        validation.number("viewability", self.viewability, 0, 1)
        validation.number("floor_cpm", self.floor_cpm, 0, MAX_CPM)
        validation.number("share", self.share, LEAST_AMOUNT, 1e6)


CLASSIC_ADVERTISERS = (
    Advertiser("A", ctr=0.02, quality=1.0, bid_cpm=8.0),
    Advertiser("B", ctr=0.03, quality=0.9, bid_cpm=6.0),
    Advertiser("C", ctr=0.01, quality=1.2, bid_cpm=5.0),
)
CLASSIC_SLOT_TYPES = (SlotType("display", viewability=0.7, floor_cpm=2.0),)

# Click rates of display around iPinYou's .034 to .444 % an impression (Zhang et al., arXiv:1407.7073), here of a
# viewable one; native and video above it, values per click and budgets: own assumptions.
REAL_ADVERTISERS = (
    Advertiser("retail", ctr=0.0016, value_per_click=3.50, format="banner", daily_budget=0.15),
    Advertiser("travel", ctr=0.0011, value_per_click=4.75, format="banner", daily_budget=0.20),
    Advertiser("telecom", ctr=0.0013, value_per_click=3.00, format="banner", quality=1.1),
    Advertiser("games", ctr=0.0045, value_per_click=1.88, format="native", quality=0.9, daily_budget=0.20),
    Advertiser("finance", ctr=0.0024, value_per_click=4.00, format="native", daily_budget=0.25),
    Advertiser("news", ctr=0.0038, value_per_click=1.38, format="native", quality=1.2),
    Advertiser("cars", ctr=0.0060, value_per_click=4.75, format="video", daily_budget=0.50),
    Advertiser("films", ctr=0.0075, value_per_click=3.00, format="video"),
)
# Viewability: desktop display 55 %, mobile web 48 %, in-app 80 % (WARC, about 2018); native between them: assumed.
REAL_SLOT_TYPES = (
    SlotType("leaderboard", viewability=0.55, floor_cpm=1.50, format="banner", share=0.35),
    SlotType("mobile_banner", viewability=0.48, floor_cpm=1.00, format="banner", share=0.30),
    SlotType("in_feed", viewability=0.65, floor_cpm=2.25, format="native", share=0.25),
    SlotType("video", viewability=0.80, floor_cpm=7.50, format="video", share=0.10),
)


def advertisers_of(given: Any, market: Market) -> tuple[Advertiser, ...]:
    """``given`` (None is the market's default ones) as advertisers who have what ``market`` needs."""
    default = CLASSIC_ADVERTISERS if market == "classic" else REAL_ADVERTISERS
    advertisers = _all_of("advertisers", Advertiser, default if given is None else given)
    needed = "bid_cpm" if market == "classic" else "value_per_click"
    for index, advertiser in enumerate(advertisers):
        if getattr(advertiser, needed) is None:
            raise ValueError(f"advertisers[{index}] must have {needed} in the {market} market, got None")
    return advertisers


def slot_types_of(given: Any, market: Market) -> tuple[SlotType, ...]:
    """``given`` (None is the market's default ones) as slot types."""
    default = CLASSIC_SLOT_TYPES if market == "classic" else REAL_SLOT_TYPES
    return _all_of("slot_types", SlotType, default if given is None else given)


def _all_of(name: str, kind: Any, given: Any) -> tuple[Any, ...]:
    """A sequence of instances of ``kind`` or of mappings of its fields."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise validation.wrong_type(name, f"a sequence of {kind.__name__}s or mappings of its fields", given)
    made = []
    for index, one in enumerate(given):
        try:
            made.append(one if isinstance(one, kind) else kind(**one))
        except (TypeError, ValueError) as error:
            known = ", ".join(field.name for field in fields(kind))
            raise type(error)(f"{name}[{index}]: {error} (fields: {known})") from None
    return tuple(made)
