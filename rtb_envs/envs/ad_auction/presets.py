"""Named markets: published campaigns and channels, and the stages of the curriculum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from rtb_envs import validation
from rtb_envs.auctions.market_prices import GammaPrice
from rtb_envs.envs.ad_auction.curriculum import STAGES, curriculum_options
from rtb_envs.envs.ad_auction.instance import Instance
from rtb_envs.users.response import LogisticResponse

HORIZON = 24


@dataclass(frozen=True)
class Campaign:
    """Aggregate figures of an advertiser: rates per impression and per click, and the law of the winning price."""

    click_rate: float
    conversion_rate: float
    price_shape: float
    price_scale: float


# iPinYou training set (Zhang et al., arXiv 1407.7073, 2014): clicks/impressions, conversions/clicks, and a gamma fit to
# the winning prices in fen per mille. Prices were seen only for won auctions, so the true market is dearer. Campaigns
# without recorded conversions carry the pooled rate of those with.
_POOLED = 0.081
_CAMPAIGNS = {
    "ipinyou_1458": Campaign(2454 / 3083056, 1 / 2454, 1.82, 38.0),
    "ipinyou_2259": Campaign(280 / 835556, 89 / 280, 1.33, 70.0),
    "ipinyou_2261": Campaign(207 / 687617, _POOLED, 1.14, 78.8),
    "ipinyou_2821": Campaign(843 / 1322561, 450 / 843, 1.33, 67.3),
    "ipinyou_2997": Campaign(1386 / 312437, _POOLED, 1.12, 56.2),
    "ipinyou_3358": Campaign(1358 / 1742104, 369 / 1358, 1.81, 51.0),
    "ipinyou_3386": Campaign(2076 / 2847802, _POOLED, 1.68, 45.7),
    "ipinyou_3427": Campaign(1926 / 2593765, _POOLED, 1.87, 43.4),
    "ipinyou_3476": Campaign(1027 / 1970360, 26 / 1027, 1.80, 44.1),
    # Channels (rates: iPinYou 2014 and WordStream 2016; retargeting: within .5-1 % and 2-5 %, an assumption); prices in
    # cents per mille around 2 $ with the spread that iPinYou's campaigns share.
    "open_web": Campaign(0.00085, 0.02, 1.6, 125.0),
    "gdn": Campaign(0.0046, 0.0077, 1.6, 125.0),
    "retargeting": Campaign(0.0075, 0.035, 1.6, 125.0),
}
PRESETS = (*_CAMPAIGNS, "rtbgym", *(f"stage{stage}" for stage in STAGES))


# Standard deviation of the logarithm of the click rate over impressions. In iPinYou's data the visibility of the slot
# alone makes one of .87: .192, .054, .033 and .018 % of the impressions in the first to fourth view are clicked.
_CLICK_RATE_SPREAD = 0.9


@dataclass(frozen=True)
class _ClickRate:
    """Builds a click-rate law of a given mean, as spread over impressions as a campaign's."""

    mean: float

    def from_instance(self, instance: Instance) -> LogisticResponse:
        law = instance.click_rate
        scale = _CLICK_RATE_SPREAD / jnp.sqrt(jnp.var(law.ad_logit) + jnp.var(law.user_logit))
        # Rates are small, so the logit is the logarithm; half a unit keeps time factors below 1.
        ad_logit = (law.ad_logit - jnp.mean(law.ad_logit)) * scale + jnp.log(self.mean) + 0.5
        user_logit = (law.user_logit - jnp.mean(law.user_logit)) * scale
        return _of_mean(LogisticResponse(ad_logit, user_logit, law.time_factor), self.mean)


@dataclass(frozen=True)
class _ConversionRate:
    """Builds a conversion-rate law of a given mean that keeps the instance's spread over ads, users and hours."""

    mean: float

    def from_instance(self, instance: Instance) -> LogisticResponse:
        return _of_mean(instance.conversion_rate, self.mean)


def _of_mean(law: LogisticResponse, mean: float) -> LogisticResponse:
    """``law`` with its time factor scaled such that its rate is ``mean`` on average."""
    steps = jnp.arange(law.time_factor.shape[0])[:, None, None]
    ad, user = jnp.arange(law.ad_logit.shape[0])[:, None], jnp.arange(law.user_logit.shape[0])
    factor = mean / jnp.mean(law.rate(ad, user, steps))
    return replace(law, time_factor=jnp.clip(law.time_factor * factor, 0.0, 1.0))


def preset_options(name: str) -> dict[str, Any]:
    """Options for ``make("AdAuction-v0", **options)``; ValueError for an unknown name."""
    validation.choice("preset", name, PRESETS)
    if name == "rtbgym":
        return {}
    if name.startswith("stage"):
        return curriculum_options(int(name.removeprefix("stage")))
    campaign = _CAMPAIGNS[name]
    mean_price = campaign.price_shape * campaign.price_scale
    volume = 2000.0
    price = GammaPrice(jnp.full(1, campaign.price_shape), jnp.full(1, campaign.price_scale))  # of every ad
    return {
        "horizon": HORIZON,
        "day_curve": True,
        "search_volume_mean": volume,
        "search_volume_std": volume / 10,
        "objective": "click",
        "cost_indicator": "impression",
        "market_price": price,
        "standard_bid_price": mean_price,
        "click_rate": _ClickRate(campaign.click_rate),
        "conversion_rate": _ConversionRate(campaign.conversion_rate),
        # A quarter of what winning everything would cost: tight enough that pacing matters.
        "initial_budget": int(np.ceil(0.25 * HORIZON * volume * mean_price)),
    }
