"""YAML files of people's settings: the core schema of YAML 1.2 (2009), read strictly and within limits.

PyYAML alone reads YAML 1.1, in which ``yes`` is a boolean, ``010`` eight, ``1:30`` ninety and ``1e5`` a text, and takes
the last of two equal keys. Here those are a text, ten, a text and a number; a repeated key is an error, and so are keys
that are no texts, aliases (a few of which can stand for more than a memory holds) and tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from rtb_envs.files import read_text

MAX_BYTES = 1_000_000
_MAX_DIGITS = 20
_PREFIX = "tag:yaml.org,2002:"


class YamlError(ValueError):
    """A text is no YAML of settings; ``errors`` are lines that say where and why."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def read_yaml(path: Path) -> Any:
    """The value of a YAML file in UTF-8 of at most a million bytes; None for an empty one.

    Raises YamlError with a line for each error, OSError if the file cannot be read.
    """
    try:
        text = read_text(path, MAX_BYTES)
    except ValueError as error:
        raise YamlError([str(error)]) from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text: mappings with texts as keys, lists, texts, numbers, True, False and None.

    Raises YamlError with a line for each error.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise YamlError([f"is not YAML: {' '.join(str(error).split())}"]) from None
    except RecursionError:
        raise YamlError(["is nested too deeply"]) from None
    errors: list[str] = []
    value = None if node is None else _value(node, errors)
    if errors:
        raise YamlError(errors)
    return value


class _Loader(yaml.SafeLoader):
    """Composes nodes whose tags follow the core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own, declared so)

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            events: Any = self
            mark = events.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not taken: write the value out", problem_mark=mark)
        return super().compose_node(parent, index)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
):
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(f"^(?:{_pattern})$"), _first)


def _value(node: Any, errors: list[str]) -> Any:
    tag = node.tag.removeprefix(_PREFIX)
    if isinstance(node, yaml.MappingNode) and tag == "map":
        return _mapping(node, errors)
    if isinstance(node, yaml.SequenceNode) and tag == "seq":
        return [_value(entry, errors) for entry in node.value]
    if isinstance(node, yaml.ScalarNode) and tag in _SCALARS:
        try:
            return _SCALARS[tag](node.value)
        except ValueError:
            errors.append(f"{_line(node)}: {_short(node)} is no {tag} that can be held")
            return None
    errors.append(f"{_line(node)}: the tag {node.tag} is not taken")
    return None


def _mapping(node: Any, errors: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    lines: dict[str, str] = {}
    for key, value in node.value:
        if key.tag != _PREFIX + "str":
            errors.append(f"{_line(key)}: the key {_short(key)} must be a text: put it in quotes")
        elif key.value in result:
            errors.append(f"{_line(key)}: {_short(key)} is given again, first in {lines[key.value]}")
        else:
            lines[key.value] = _line(key)
            result[key.value] = _value(value, errors)
    return result


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(text)
    # Only 0o and 0x are prefixes: 010 is ten.
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _float(text: str) -> float:
    if text[-1] in "fFnN":
        return float(text.replace(".", ""))
    value = float(text)
    if value in (float("inf"), -float("inf")):
        raise ValueError(text)
    return value


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text in ("true", "True", "TRUE"),
    "int": _integer,
    "float": _float,
    "str": str,
}


def _line(node: Any) -> str:
    return f"line {node.start_mark.line + 1}"


def _short(node: Any) -> str:
    text = node.value if isinstance(node, yaml.ScalarNode) else f"({node.id})"
    return text if len(text) <= 40 else f"{text[:37]}..."
