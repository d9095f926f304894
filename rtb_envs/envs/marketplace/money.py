"""Money in whole numbers: prices in mills, amounts in cents, shares in ten-thousandths, all int32 and exact.

A mill is a thousandth of a dollar. Every rounding goes down and is done here, so that a market alone and a market in a
batch agree to the last cent.
"""

from __future__ import annotations

from jax import Array

MILLS = 1000
"""Mills of a dollar."""
CENTS = 100
"""Cents of a dollar."""
WHOLE = 10_000
"""A share of one, in ten-thousandths."""
MAX_PRICE_MILLS = 150_000
"""The dearest CPM that packages may have, multipliers and counter-offers included: products below fit into int32."""
MAX_IMPRESSIONS = 1_000_000
"""The largest package: a package at the dearest price costs $150,000."""


def amount_cents(price_mills: Array, impressions: Array) -> Array:
    """What ``impressions`` cost at a CPM of ``price_mills``, in cents, rounded down."""
    thousands, rest = impressions // 1000, impressions % 1000
    return (price_mills * thousands + price_mills * rest // 1000) // 10


def share_of(amount: Array, share: Array) -> Array:
    """``share`` ten-thousandths of ``amount``, rounded down; both non-negative, share at most 4 · 10**4."""
    return amount // WHOLE * share + amount % WHOLE * share // WHOLE
