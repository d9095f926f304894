"""Checks at the edge: what they let through, and messages that a person can read."""

from fractions import Fraction

import numpy as np
import pytest

from rtb_envs import validation


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), 1.0000001, Fraction(10) ** 400])
def test_a_number_out_of_range_is_refused_however_large(value):
    with pytest.raises(ValueError, match=r"share must be a finite number in \[0, 1\], got "):
        validation.number("share", value, 0, 1)


def test_a_number_without_an_upper_end_must_be_finite():
    assert validation.number("price", 1e300, 0, np.inf) == 1e300
    for value in (np.inf, 10**400):
        with pytest.raises(ValueError, match="price must be a finite number"):
            validation.number("price", value, 0, np.inf)


def test_an_array_with_an_integer_beyond_floats_is_refused():
    with pytest.raises(TypeError, match="rates must be an array of numbers"):
        validation.array("rates", [10**400], [(1,)])


@pytest.mark.parametrize(
    "value", [10**5000, 10**4000, "x" * 10**6, list(range(10**5))], ids=["5,000 digits", "4,000 digits", "text", "list"]
)
def test_a_message_shows_a_huge_value_cut_short(value):
    with pytest.raises((TypeError, ValueError), match="count must be an integer") as refused:
        validation.integer("count", value, 0, 9)
    assert len(str(refused.value)) < 350


def test_a_message_shows_a_short_value_whole():
    with pytest.raises(ValueError, match=r"^count must be an integer in \[0, 9\], got 12$"):
        validation.integer("count", 12, 0, 9)
