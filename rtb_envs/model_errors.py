"""pydantic's errors in the words of every other message: "must be ..., got ..."."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtb_envs.validation import shown

_A_MAPPING, _A_LIST = "must be a mapping of names to values", "must be a list"
_NAMES = {"missing": "is missing", "extra_forbidden": "is not a known name"}
_KINDS = {
    "bool": "must be true or false",
    "int": "must be an integer",
    "float": "must be a finite number",
    "finite": "must be a finite number",
    "string": "must be a text",
    "list": _A_LIST,
    "tuple": _A_LIST,
    "dict": _A_MAPPING,
    "mapping": _A_MAPPING,
    "model": _A_MAPPING,
    "path": "must be a path",
}
"""What a type must be, by the first word of pydantic's name of the error: int_type, int_parsing, int_from_float ..."""
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}
_LENGTHS = {
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
}


def rule_broken(error: Mapping[str, Any]) -> str:
    """What an entry of ``ValidationError.errors()`` breaks, and what was given: all of a line but the field's name."""
    if error["type"] in _NAMES:
        return _NAMES[error["type"]]
    return f"{_rule(error)}, got {shown(error['input'])}"


def _rule(error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        return f"must be {word} {_number(context[limit])}"
    if kind in _LENGTHS:
        word, limit = _LENGTHS[kind]
        return f"must have a length of {word} {context[limit]}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    return _KINDS.get(kind.split("_")[0], f"must be right: {error['msg']}")


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
