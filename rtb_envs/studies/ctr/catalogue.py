"""What a synthetic click log is drawn from: sites, apps, devices and campaigns, how often each is met and clicked.

The numbers of different values and the share of the most frequent one are those of Avazu's log (shares: of a 1 %
sample). The effects are on the logit of a click; their sizes are chosen so that a model with the features of ``avazu``
ranks about as well as one does on the real log (AUC around .7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAYS = 10
UNKNOWN_SITE, UNKNOWN_SITE_DOMAIN, UNKNOWN_SITE_CATEGORY = 0x85F751FD, 0xC4E18DD6, 0x50E219E0
UNKNOWN_APP, UNKNOWN_APP_DOMAIN, UNKNOWN_APP_CATEGORY = 0xECAD2386, 0x7801E8D9, 0x07D7DF22
UNKNOWN_DEVICE = 0xA99F214A
"""Avazu's hashes of what is not known: the site of an impression in an app, the app of one on a site, the device."""
WEB_SHARE = 0.638


@dataclass(frozen=True)
class Values:
    """The values of a column: ``codes`` as in the file, ``shares`` of the impressions, effects on the click's logit."""

    codes: Ints
    shares: Floats
    effects: Floats

    def draw(self, uniform: Floats) -> Ints:
        """Indices of values, by inverting the distribution function at ``uniform``."""
        return np.minimum(np.searchsorted(np.cumsum(self.shares), uniform, "right"), len(self.shares) - 1)


@dataclass(frozen=True)
class Campaigns:
    """Campaigns (C17), each with its attributes and creatives (C14); ``shares[day]`` of those that run on a day."""

    c17: Ints
    shares: Floats
    attributes: dict[str, Ints]
    effects: Floats
    creatives: Values
    first_creative: Ints
    creative_count: Ints


@dataclass(frozen=True)
class Catalogue:
    """Everything that a log is drawn from."""

    sites: Values
    site_domain: Ints
    site_category: Ints
    apps: Values
    app_domain: Ints
    app_category: Ints
    models: Values
    banner_pos: Values
    campaigns: Campaigns
    hour_effects: Floats


def catalogue(rng: np.random.Generator) -> Catalogue:
    """Draw sites, apps, devices and campaigns."""
    sites, apps, models = zipf(4_736, 0.12), zipf(8_551, 0.20), zipf(8_251, 0.060)
    # A few sites and apps share the category and the domain that stand for "unknown".
    site_category = _assign(rng, sites, np.concatenate([[0.075], 0.925 * zipf(25, 0.35)]))
    app_category = _assign(rng, apps, np.concatenate([[0.025], 0.975 * zipf(35, 0.45)]))
    site_domain = np.where(_assign(rng, sites, np.array([0.02, 0.98])) == 0, UNKNOWN_SITE_DOMAIN, _codes(rng, 4_736))
    app_domain = np.concatenate([[UNKNOWN_APP_DOMAIN], _codes(rng, 558)])[
        _assign(rng, apps, np.concatenate([[0.097], 0.903 * zipf(558, 0.3)]))
    ]
    of_site_category = _effects(rng, _sums(site_category, sites, 26), 0.65)[site_category]
    of_app_category = _effects(rng, _sums(app_category, apps, 36), 0.65)[app_category]
    return Catalogue(
        sites=Values(_codes(rng, 4_736), sites, of_site_category + _effects(rng, sites, 0.25) + 0.2),
        site_domain=site_domain,
        site_category=np.concatenate([[UNKNOWN_SITE_CATEGORY], _codes(rng, 25)])[site_category],
        apps=Values(_codes(rng, 8_551), apps, of_app_category + _effects(rng, apps, 0.25) - 0.4),
        app_domain=app_domain,
        app_category=np.concatenate([[UNKNOWN_APP_CATEGORY], _codes(rng, 35)])[app_category],
        models=Values(_codes(rng, 8_251), models, _effects(rng, models, 0.2)),
        banner_pos=Values(
            np.array([0, 1, 2, 3, 4, 5, 7]),
            np.array([0.721, 0.2685, 0.0035, 0.0005, 0.0025, 0.0010, 0.0030]),
            np.array([0.0, 0.15, -0.3, 0.1, 0.1, -0.3, 0.7]),
        ),
        campaigns=_campaigns(rng),
        hour_effects=0.12 * np.cos(2 * np.pi * (np.arange(24) - 2) / 24),
    )


def _campaigns(rng: np.random.Generator, campaigns: int = 435, creatives: int = 2_626) -> Campaigns:
    """Half of the campaigns run from the first day, the others begin on a later one: they are new to a model."""
    start_day = np.where(rng.random(campaigns) < 0.5, 0, rng.integers(1, DAYS, campaigns))
    start_day[0] = 0  # The largest runs throughout.
    runs = start_day[None, :] <= np.arange(DAYS)[:, None]
    weights = zipf(campaigns, 0.085) * runs
    shares = weights / weights.sum(1, keepdims=True)
    mean_shares = shares.mean(0)
    # C15 and C16 are width and height of the ad, in pixels.
    size = _assign(rng, mean_shares, np.array([0.93, 0.04, 0.012, 0.006, 0.005, 0.003, 0.002, 0.001, 0.001]))
    widths = np.array([320, 300, 216, 728, 120, 1024, 480, 768, 320])
    heights = np.array([50, 250, 36, 90, 20, 768, 320, 1024, 480])
    c18 = _assign(rng, mean_shares, np.array([0.42, 0.33, 0.16, 0.09]))
    c19 = _assign(rng, mean_shares, zipf(68, 0.301))
    c21 = _assign(rng, mean_shares, zipf(60, 0.220))
    group = _effects(rng, _sums(c21, mean_shares, 60), 0.5)[c21]
    count = 1 + rng.multinomial(creatives - campaigns, np.sqrt(mean_shares) / np.sqrt(mean_shares).sum())
    # Creatives of the same campaign have neighbouring numbers, and those of later campaigns higher ones, as in Avazu.
    order = np.argsort(start_day, kind="stable")
    first = np.empty(campaigns, np.int64)
    first[order] = np.concatenate([[0], np.cumsum(count[order])[:-1]])
    numbers = 375 + np.sort(rng.choice(23_677, creatives, replace=False))
    c17 = np.empty(campaigns, np.int64)
    c17[order] = 112 + np.sort(rng.choice(2_646, campaigns, replace=False))
    return Campaigns(
        c17=c17,
        shares=shares,
        attributes={
            "C15": widths[size],
            "C16": heights[size],
            "C18": c18,
            "C19": np.concatenate([[35], 36 + 16 * np.arange(67)])[c19],
            "C21": np.concatenate([[23], np.delete(1 + 4 * np.arange(64), 5)])[c21],
        },
        effects=group + _effects(rng, mean_shares, 0.4),
        creatives=Values(numbers, np.full(creatives, 1 / creatives), rng.normal(0, 0.2, creatives)),
        first_creative=first,
        creative_count=count,
    )


def zipf(count: int, top: float) -> Floats:
    """Shares of ``count`` values: the first has ``top``, the others fall by the law of Zipf and Mandelbrot."""
    rest = np.arange(12.0, count + 11) ** -1.1
    return np.concatenate([[top], (1 - top) * rest / rest.sum()])


def zipf_ranks(uniform: Floats, count: int) -> Ints:
    """Ranks 0 to ``count`` − 1, log-uniform: of a great many values, without a table of them."""
    ranks: Ints = (np.exp(uniform * np.log(count + 1)) - 1).astype(np.int64)
    return np.minimum(ranks, count - 1)


def _assign(rng: np.random.Generator, weights: Floats, shares: Floats) -> Ints:
    """A value for each campaign such that value v has about ``shares[v]`` of the weight."""
    order = rng.permutation(len(weights))
    middle = np.cumsum(weights[order]) - weights[order] / 2
    assigned = np.empty(len(weights), np.int64)
    assigned[order] = np.minimum(np.searchsorted(np.cumsum(shares), middle, "right"), len(shares) - 1)
    return assigned


def _sums(groups: Ints, shares: Floats, count: int) -> Floats:
    """The share of each of ``count`` groups."""
    return np.bincount(groups, shares, count).astype(np.float64)


def _effects(rng: np.random.Generator, shares: Floats, deviation: float) -> Floats:
    """Normal effects, shifted and scaled to mean 0 and the standard deviation ``deviation`` over the impressions."""
    effects = rng.normal(size=len(shares))
    effects -= np.average(effects, weights=shares)
    scaled: Floats = effects * deviation / np.sqrt(np.average(effects**2, weights=shares))
    return scaled


def _codes(rng: np.random.Generator, count: int) -> Ints:
    """Different hashes of 32 bits."""
    codes: Ints = rng.permutation(np.unique(rng.integers(0, 2**32, 2 * count)))[:count]
    return codes
