"""What a user may set of a marketplace, checked once, and turned into a static configuration and parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import jax.numpy as jnp
import numpy as np

from rtb_envs import validation
from rtb_envs.envs.marketplace.config import CHANNELS, FACTS, SCENARIOS, Config, FeeMode, Scenario, SellerRole
from rtb_envs.envs.marketplace.money import CENTS, MAX_IMPRESSIONS, MAX_PRICE_MILLS, MILLS
from rtb_envs.envs.marketplace.params import MAX_BUDGET, MAX_CPM, MAX_SHARE, Params, shares
from rtb_envs.random import Generator

BUDGET_MARGIN = 1.1
"""A campaign's budget over the mean cost of its share of the packages."""
MAX_MULTIPLIER = 2.0


@dataclass(frozen=True)
class Options:
    """Every option of ``make_multi_agent("marketplace_v0", ...)``. Wrong values raise ValueError or TypeError."""

    scenario: Scenario = "a"
    """"a" exchange, "b" direct trade from memory, "c" direct trade over a shared ledger."""
    buyers: int = 5
    sellers: int = 5
    campaigns_per_buyer: int = 10
    days: int = 30
    packages_per_campaign: float = 4.0
    """Impression packages on a weekday for each campaign; 0.7 of that at weekends."""
    # Supply and demand
    cpm_low: tuple[float, ...] = (5.0, 15.0, 25.0, 8.0)
    """Lowest base CPM in dollars of display, video, CTV and native packages."""
    cpm_high: tuple[float, ...] = (15.0, 35.0, 55.0, 20.0)
    floor_share: tuple[float, float] = (0.6, 0.8)
    """Range of a package's floor over its base CPM, which is the target CPM of all that bid for it."""
    bid_share: tuple[float, float] = (0.9, 1.1)
    """Range of a bid over the target CPM."""
    impressions: tuple[int, int] = (50_000, 500_000)
    """Range of a package's impressions."""
    # Fees
    fee_mode: FeeMode = "deduct"
    exchange_fee: float = 0.15
    fee_clamp: tuple[float, float] = (0.10, 0.20)
    buyer_discount: float = 0.0
    """Share of the exchange's fee that buyers are spared; it multiplies with the sellers' discount."""
    seller_discount: float = 0.0
    platform_fee: float = 0.05
    """Share of a deal that the ledger's platform keeps."""
    # Claims and memory
    false_claim_rate: float = 0.08
    """Probability of a false claim of a buyer that has all its facts; twice that when it has none."""
    corrected_rate: float = 0.6
    """Share of false claims that the exchange corrects before the deal."""
    fact_loss_rate: float = 0.02
    """Probability a day that a fact is lost, after the days of grace."""
    grace_days: int = 3
    restart_rate: float = 0.005
    """Hazard of a restart a day, which grows by a hundredth of itself a day."""
    seller_role: SellerRole = "scripted"
    """"scripted" or "learning": whether sellers are agents too, who multiply their floors."""
    generator: Generator = "counter"

    def __post_init__(self) -> None:
        self.config()
        validation.choice("scenario", self.scenario, SCENARIOS)
        for name in ("cpm_low", "cpm_high"):
            validation.array(name, getattr(self, name), [(len(CHANNELS),)], 0.1, MAX_CPM)
        for name, low, high in (
            ("floor_share", 0, MAX_SHARE),
            ("bid_share", 0, MAX_SHARE),
            ("fee_clamp", 0, 1),
            ("impressions", 1, MAX_IMPRESSIONS),
        ):
            first, last = validation.array(name, getattr(self, name), [(2,)], low, high)
            if first > last:
                raise validation.wrong_value(name, "a range (low, high) with low <= high", getattr(self, name))
        if (np.asarray(self.cpm_low) > np.asarray(self.cpm_high)).any():
            raise ValueError(f"cpm_low must not exceed cpm_high, got {self.cpm_low!r} and {self.cpm_high!r}")
        for name in ("exchange_fee", "buyer_discount", "seller_discount", "platform_fee", "false_claim_rate"):
            validation.number(name, getattr(self, name), 0, 0.5 if name == "false_claim_rate" else 1)
        for name in ("corrected_rate", "fact_loss_rate", "restart_rate"):
            validation.number(name, getattr(self, name), 0, 1)
        validation.integer("grace_days", self.grace_days, 0, 10_000)
        if (budgets := self.campaign_budgets()).max() > MAX_BUDGET:
            raise ValueError(
                "days, packages_per_campaign, impressions and CPMs must make campaign budgets of at most "
                f"${MAX_BUDGET:,.0f}, got ${budgets.max():,.0f}"
            )

    def config(self) -> Config:
        """What is static."""
        return Config(
            buyers=self.buyers,
            sellers=self.sellers,
            campaigns_per_buyer=self.campaigns_per_buyer,
            days=self.days,
            packages_per_campaign=self.packages_per_campaign,
            fee_mode=self.fee_mode,
            seller_role=self.seller_role,
            generator=self.generator,
        )

    def campaign_budgets(self) -> Any:
        """Dollars of a campaign of each channel: days · packages a day · mean impressions · mean base CPM · 1.1."""
        mean_cpm = (np.asarray(self.cpm_low) + np.asarray(self.cpm_high)) / 2
        return self.campaign_goal() * mean_cpm / 1000 * BUDGET_MARGIN

    def campaign_goal(self) -> float:
        """Impressions that a campaign wants: days · packages a day · mean impressions."""
        return self.days * self.packages_per_campaign * sum(self.impressions) / 2

    def fee(self) -> float:
        """The exchange's share after discounts, which multiply, and clamp."""
        discounted = self.exchange_fee * (1 - self.buyer_discount) * (1 - self.seller_discount)
        return min(max(discounted, self.fee_clamp[0]), self.fee_clamp[1])

    def params(self) -> Params:
        """The numbers."""
        known = np.arange(FACTS + 1) / FACTS
        hazard = self.restart_rate * (1 + 0.01 * np.arange(1, self.days + 1))
        return Params(
            scenario=jnp.int32(SCENARIOS.index(self.scenario)),
            horizon_days=jnp.int32(self.days),
            cpm_low=_mills(self.cpm_low),
            cpm_high=_mills(self.cpm_high),
            floor_share_low=shares(self.floor_share[0]),
            floor_share_high=shares(self.floor_share[1]),
            bid_share_low=shares(self.bid_share[0]),
            bid_share_high=shares(self.bid_share[1]),
            impressions_low=jnp.int32(self.impressions[0]),
            impressions_high=jnp.int32(self.impressions[1]),
            campaign_budget=jnp.asarray(np.rint(self.campaign_budgets() * CENTS), jnp.int32),
            campaign_goal=jnp.int32(round(self.campaign_goal())),
            fee_share=shares(self.fee()),
            platform_fee_share=shares(self.platform_fee),
            false_claim_rate=jnp.asarray(self.false_claim_rate * (2 - known), jnp.float32),
            corrected_rate=jnp.float32(self.corrected_rate),
            fact_loss_rate=jnp.float32(self.fact_loss_rate),
            grace_days=jnp.int32(self.grace_days),
            restart_rate=jnp.asarray(np.minimum(hazard, 1), jnp.float32),
        )


def option_names() -> tuple[str, ...]:
    """The names of all options."""
    return tuple(field.name for field in fields(Options))


def _mills(cpm: Any) -> Any:
    return jnp.asarray(np.rint(np.asarray(cpm) * MILLS), jnp.int32)


# The dearest price there is: the highest bid by the largest multiplier, or the highest counter-offer.
assert MAX_CPM * MILLS * MAX_SHARE * MAX_MULTIPLIER <= MAX_PRICE_MILLS
