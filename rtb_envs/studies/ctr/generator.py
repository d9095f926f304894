"""Synthetic logs with the schema of Avazu's: header, types, ten days of 24 hours, click rate, unknowns, cold starts.

They stand in for the download wherever a log is needed: in tests, for the pool that comes with the package, to try
the pipeline at any size. Clicks are Bernoulli of a logit that sums effects of site or app, campaign, creative, device,
banner position and hour; only some of these are among the features of the model.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
import polars as pl

from rtb_envs.files import whole_or_nothing
from rtb_envs.studies.ctr.avazu import COLUMNS, HASHES, LogError
from rtb_envs.studies.ctr.catalogue import (
    DAYS,
    UNKNOWN_APP,
    UNKNOWN_APP_CATEGORY,
    UNKNOWN_APP_DOMAIN,
    UNKNOWN_DEVICE,
    UNKNOWN_SITE,
    UNKNOWN_SITE_CATEGORY,
    UNKNOWN_SITE_DOMAIN,
    WEB_SHARE,
    Catalogue,
    Floats,
    Ints,
    catalogue,
    zipf_ranks,
)

CLICK_RATE = 0.1698
HOURS = 24 * DAYS
CHUNK = 250_000
FIRST_DAY = 14_10_21
_NOISE = 0.3
_BYTES = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2")
_CATALOGUE, _CALIBRATION, _ROWS = range(3)  # Purposes of random numbers.


def generate(path: Path, rows: int, seed: int = 0, progress: Callable[[int], object] = lambda rows: None) -> None:
    """Write a log of ``rows`` impressions to ``path``, packed if its name ends in .gz; same arguments, same bytes.

    ``progress`` is told after each chunk how many rows are written. Memory does not grow with ``rows``. Raises
    LogError for fewer rows than the 240 hours of the log.
    """
    if rows < HOURS:
        raise LogError(f"rows: got {rows}, must be at least {HOURS}, one for each hour of the log")
    world = catalogue(np.random.default_rng([seed, _CATALOGUE]))
    intercept = _intercept(world, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_nothing(path) as unfinished, _writable(unfinished) as file:
        for chunk, first in enumerate(range(0, rows, CHUNK)):
            count = min(CHUNK, rows - first)
            hour = (first + np.arange(count)) * HOURS // rows
            frame = _impressions(world, intercept, hour, np.random.default_rng([seed, _ROWS, chunk]))
            frame.write_csv(file, include_header=first == 0)
            progress(first + count)


@contextmanager
def _writable(path: Path) -> Iterator[IO[bytes]]:
    """An open file; a .gz without a time or a name in it, so that equal contents are equal bytes."""
    with path.open("wb") as file:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield file


def _intercept(world: Catalogue, seed: int) -> float:
    """The intercept that gives a click rate of .1698, by bisection on a sample of impressions."""
    rng = np.random.default_rng([seed, _CALIBRATION])
    _, logit = _draw(world, np.arange(120_000) % HOURS, rng)
    low, high = -8.0, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _sigmoid(logit + middle).mean() > CLICK_RATE else (middle, high)
    return middle


def _impressions(world: Catalogue, intercept: float, hour: Ints, rng: np.random.Generator) -> pl.DataFrame:
    """Rows of the log, in the columns and types of the file."""
    columns, logit = _draw(world, hour, rng)
    columns["click"] = (rng.random(len(hour)) < _sigmoid(logit + intercept)).astype(np.int64)
    series = {name: _hexadecimal(values) if name in HASHES else pl.Series(values) for name, values in columns.items()}
    series["id"] = pl.Series(rng.integers(2**60, 2**64, len(hour), dtype=np.uint64))
    return pl.DataFrame(series).select(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items())


def _draw(world: Catalogue, hour: Ints, rng: np.random.Generator) -> tuple[dict[str, Ints], Floats]:
    """All columns but ``id`` and ``click``, and the logit of a click without its intercept."""
    rows = len(hour)
    campaigns = world.campaigns
    campaign = np.empty(rows, np.int64)
    uniform = rng.random(rows)
    for day in np.unique(hour // 24):
        of_day = hour // 24 == day
        campaign[of_day] = np.searchsorted(np.cumsum(campaigns.shares[day]), uniform[of_day], "right")
    campaign = np.minimum(campaign, len(campaigns.c17) - 1)
    # The square favours a campaign's first creatives.
    within = (rng.random(rows) ** 2 * campaigns.creative_count[campaign]).astype(np.int64)
    creative = campaigns.first_creative[campaign] + within
    is_web = rng.random(rows) < WEB_SHARE
    site, app = world.sites.draw(rng.random(rows)), world.apps.draw(rng.random(rows))
    model = world.models.draw(rng.random(rows))
    banner = world.banner_pos.draw(rng.random(rows))
    missing_c20 = rng.random(rows) < 0.468
    is_phone = rng.random(rows) < 0.923
    connection = np.searchsorted(np.cumsum([0.863, 0.0818, 0.0541]), rng.random(rows), "right")
    logit = (
        np.where(is_web, world.sites.effects[site], world.apps.effects[app])
        + campaigns.effects[campaign]
        + campaigns.creatives.effects[creative]
        + world.models.effects[model]
        + world.banner_pos.effects[banner]
        + world.hour_effects[hour % 24]
        + np.array([0.0, -0.2, -0.7, -0.3])[connection]
        - 0.25 * missing_c20
        + rng.normal(0, _NOISE, rows)
    )
    is_unknown_device = rng.random(rows) < 0.824
    columns: dict[str, Ints] = {
        "hour": (FIRST_DAY + hour // 24) * 100 + hour % 24,
        "C1": np.where(rng.random(rows) < 0.918, 1005, rng.choice([1001, 1002, 1007, 1008, 1010, 1012], rows)),
        "banner_pos": world.banner_pos.codes[banner],
        "site_id": np.where(is_web, world.sites.codes[site], UNKNOWN_SITE),
        "site_domain": np.where(is_web, world.site_domain[site], UNKNOWN_SITE_DOMAIN),
        "site_category": np.where(is_web, world.site_category[site], UNKNOWN_SITE_CATEGORY),
        "app_id": np.where(is_web, UNKNOWN_APP, world.apps.codes[app]),
        "app_domain": np.where(is_web, UNKNOWN_APP_DOMAIN, world.app_domain[app]),
        "app_category": np.where(is_web, UNKNOWN_APP_CATEGORY, world.app_category[app]),
        "device_id": np.where(is_unknown_device, UNKNOWN_DEVICE, _scattered(zipf_ranks(rng.random(rows), 2_686_407))),
        "device_ip": _scattered(zipf_ranks(0.17 + 0.83 * rng.random(rows), 6_729_486) + 2**23),
        "device_model": world.models.codes[model],
        "device_type": np.where(is_phone, 1, rng.choice([0, 2, 4, 5], rows, p=[0.70, 0.01, 0.23, 0.06])),
        "device_conn_type": np.array([0, 2, 3, 5])[connection],
        "C14": campaigns.creatives.codes[creative],
        "C17": campaigns.c17[campaign],
        "C20": np.where(missing_c20, -1, 100_000 + zipf_ranks(rng.random(rows), 171)),
        **{name: values[campaign] for name, values in campaigns.attributes.items()},
    }
    return columns, logit


def _hexadecimal(numbers: Ints) -> pl.Series:
    """Whole numbers below 2³² as eight hexadecimal digits."""
    digits = _BYTES[numbers.astype(">u4").view(np.uint8).reshape(-1, 4)]
    return pl.Series(digits.view("S8").ravel()).cast(pl.String)


def _scattered(ranks: Ints) -> Ints:
    """Ranks as hashes: multiplied by an odd number modulo 2³², hence one to one (Knuth, TAOCP 3, 6.4)."""
    return ranks * 2_654_435_769 % 2**32


def _sigmoid(logit: Floats) -> Floats:
    return 1 / (1 + np.exp(-logit))
