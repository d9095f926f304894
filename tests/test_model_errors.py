"""pydantic's errors in the project's words."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError

from rtb_envs.model_errors import rule_broken


def _even(value):
    if value % 2:
        raise ValueError("must be even")
    return value


class Inner(BaseModel):
    x: int = 0


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    count: Annotated[int, Field(ge=1, lt=2**32), AfterValidator(_even)] = 2
    share: Annotated[float, Field(gt=0, le=0.5), Strict()] = 0.1
    on: bool = True
    name: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    kind: Literal["a", "b"] = "a"
    inner: Inner = Inner()
    names: Annotated[list[str], Field(min_length=1, max_length=2)] = ["a"]
    pair: tuple[str, ...] = ()
    options: dict[str, int] = {}
    path: Path = Path()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("count", "x", "must be an integer, got 'x'"),
        ("count", 1.5, "must be an integer, got 1.5"),
        ("count", [], "must be an integer, got []"),
        ("count", 0, "must be at least 1, got 0"),
        ("count", 2**32, "must be below 4294967296, got 4294967296"),
        ("count", 3, "must be even, got 3"),
        ("share", "0.1", "must be a finite number, got '0.1'"),
        ("share", float("nan"), "must be a finite number, got nan"),
        ("share", 0, "must be above 0, got 0"),
        ("share", 1e-320 + 0.6, "must be at most 0.5, got 0.6"),
        ("on", "maybe", "must be true or false, got 'maybe'"),
        ("name", 3, "must be a text, got 3"),
        ("name", "a", "must have a length of at least 2, got 'a'"),
        ("name", "abcd", "must have a length of at most 3, got 'abcd'"),
        ("kind", "c", "must be 'a' or 'b', got 'c'"),
        ("inner", 3, "must be a mapping of names to values, got 3"),
        ("options", 3, "must be a mapping of names to values, got 3"),
        ("names", "a", "must be a list, got 'a'"),
        ("pair", 3, "must be a list, got 3"),
        ("names", [], "must have a length of at least 1, got []"),
        ("names", list("abc"), "must have a length of at most 2, got ['a', 'b', 'c']"),
        ("path", 3, "must be a path, got 3"),
        ("other", 3, "is not a known name"),
    ],
)
def test_a_broken_rule_is_said_as_everywhere_else(field, value, said):
    with pytest.raises(ValidationError) as refused:
        Model(**{field: value})
    (error,) = refused.value.errors()
    assert rule_broken(error) == said


def test_what_is_missing_is_said_to_be():
    class Needed(BaseModel):
        count: int

    with pytest.raises(ValidationError) as refused:
        Needed()
    assert rule_broken(refused.value.errors()[0]) == "is missing"
