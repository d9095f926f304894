"""Checks of an input file that go on after the first error, so that a user mends all of them at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rtb_envs.validation import shown

_MOST_CHARACTERS = 200


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
            for name in getattr(value, "repeated", ()):
                self.fail(where, f"must give {shown(name)} once")
            return value
        self.fail(where, f"must be a mapping of names to values, got {shown(value)}")
        return {}

    def name(self, where: str, value: Any) -> str:
        """``value`` if it can name something on a page: a printable text of at most 200 characters, else an error and
        an empty one."""
        if isinstance(value, str) and 0 < len(value) <= _MOST_CHARACTERS and value.isprintable():
            return value
        rule = f"must be a printable text of 1 to {_MOST_CHARACTERS} characters, got {shown(value)}"
        self.fail(where, "is missing" if value is None else rule)
        return ""

    def fields(self, where: str, value: Mapping[str, Any], known: Sequence[str]) -> None:
        """An error for each key of ``value`` that is not ``known``."""
        for name in value:
            if name not in known:
                self.fail(f"{where}: {shown(name)}", f"is no field; the fields are {', '.join(known)}")

    def number(self, where: str, parent: Mapping[str, Any], field: str, low: float, high: float) -> float:
        """The number ``parent[field]`` in [low, high], else an error and NaN."""
        name = f"{where}: {field}"
        if field not in parent:
            self.fail(name, "is missing")
            return math.nan
        value = parent[field]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            self.fail(name, f"must be a finite number, got {shown(value)}")
            return math.nan
        if value > high:
            self.fail(name, f"must be at most {high:g}, got {shown(value)}")
            return math.nan
        if value < low:
            self.fail(name, f"must be at least {low:g}, got {shown(value)}")
            return math.nan
        return float(value)

    def finish(self) -> None:
        """Raise InvalidInputError if anything was wrong."""
        if self.errors:
            raise InvalidInputError(self.errors)
