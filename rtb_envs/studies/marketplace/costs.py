"""What keeping an entry in the ledger costs."""

from __future__ import annotations

GAS_UNITS, GAS_UNITS_PER_BYTE = 1e-3, 1e-7
STORAGE_UNITS, STORAGE_UNITS_PER_KB = 5e-4, 1e-5
DOLLARS_PER_UNIT = 1.50
NANOS = 1_000_000_000
"""Billionths of a dollar in a dollar: costs are whole numbers of them, so that their sums are exact."""


def entry_units(size: int) -> float:
    """Units that an entry of ``size`` bytes costs: gas .001 + 1e-7 a byte, storage .0005 + 1e-5 a KB of 1024 bytes."""
    gas = GAS_UNITS + GAS_UNITS_PER_BYTE * size
    return gas + STORAGE_UNITS + STORAGE_UNITS_PER_KB * size / 1024


def entry_nanos(size: int) -> int:
    """Billionths of a dollar that an entry of ``size`` bytes costs, rounded to a whole number."""
    return round(entry_units(size) * DOLLARS_PER_UNIT * NANOS)
