"""Checks of an input file that go on after the first error, so that a user mends all of them at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


class InvalidInputError(ValueError):
    """An input file breaks its rules; ``errors`` holds a line for each, naming item, field and rule."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class Checks:
    """The errors found in a file so far."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.errors: list[str] = []

    def fail(self, where: str, rule: str) -> None:
        """Note that ``where`` (item and field) breaks ``rule``."""
        self.errors.append(f"{self._file}: {where} {rule}")

    def mapping(self, where: str, value: Any) -> Mapping[str, Any]:
        """``value`` if it is a mapping that holds something, else an error and an empty one."""
        if isinstance(value, Mapping) and value:
            return value
        self.fail(where, f"must be a mapping of names to values, got {_short(value)}")
        return {}

    def number(
        self,
        where: str,
        parent: Mapping[str, Any],
        field: str,
        low: float = 0.0,
        high: float = math.inf,
        *,
        open_low: bool = False,
    ) -> float:
        """The number ``parent[field]`` in [low, high] (above ``low`` when ``open_low``), else an error and NaN."""
        name = f"{where}: {field}"
        if field not in parent:
            self.fail(name, "is missing")
            return math.nan
        value = parent[field]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.fail(name, f"must be a finite number, got {_short(value)}")
            return math.nan
        if value > high:
            self.fail(name, f"must be at most {high:g}, got {_short(value)}")
            return math.nan
        if value < low or (open_low and value == low):
            self.fail(name, f"must be {'above' if open_low else 'at least'} {low:g}, got {_short(value)}")
            return math.nan
        return float(value)

    def finish(self) -> None:
        """Raise InvalidInputError if anything was wrong."""
        if self.errors:
            raise InvalidInputError(self.errors)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
