"""The columns of Avazu's click log (Kaggle, 2014), their types, and the features that a click model is fitted to.

``train.csv`` has 40,428,967 rows of ten days from 21 October 2014, in order of time; ``test.csv`` has one day and no
``click``. Clicks and non-clicks were sampled at different rates, so that 17 % of the rows are clicks.
"""

from __future__ import annotations

import polars as pl

HASHES = (
    "site_id",
    "site_domain",
    "site_category",
    "app_id",
    "app_domain",
    "app_category",
    "device_id",
    "device_ip",
    "device_model",
)
"""Columns of eight hexadecimal digits. Some have decimal digits only (00000919), so types are never inferred."""

COLUMNS: dict[str, type[pl.DataType]] = {
    "id": pl.UInt64,  # Up to 1.8e19, more than Int64 holds.
    "click": pl.UInt8,
    "hour": pl.UInt32,  # YYMMDDHH
    "C1": pl.UInt32,
    "banner_pos": pl.UInt8,
    **dict.fromkeys(HASHES, pl.String),
    "device_type": pl.UInt8,
    "device_conn_type": pl.UInt8,
    **{f"C{number}": pl.UInt32 for number in range(14, 20)},
    "C20": pl.Int32,  # −1: missing
    "C21": pl.UInt32,
}
"""Name and type of every column, in the order of the file."""

CALENDAR: dict[str, type[pl.DataType]] = {"hour_of_day": pl.UInt8, "day_of_week": pl.UInt8}
"""What the conversion adds: 0–23, and 1 (Monday) to 7, of the date in ``hour``."""

CATEGORICAL = ("site_category", "app_category")
FEATURES = (
    "hour_of_day",
    "day_of_week",
    "banner_pos",
    "device_type",
    "device_conn_type",
    *CATEGORICAL,
    "C14",
    "C17",
    "C20",
    "C21",
)
"""What the model sees of an impression."""


class LogError(ValueError):
    """A log cannot serve as asked; the message is one clear line."""
