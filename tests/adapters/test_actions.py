"""Which actions are refused before they reach an environment, and what the error says."""

import re

import numpy as np
import pytest
from gymnasium import spaces

from rtb_envs.adapters.actions import ActionCheck

MULTIPLIER = spaces.Box(0.1, 10, (1,), np.float32)
PAIR = spaces.Box(np.array([0, -2], np.float32), np.array([1, 2], np.float32))
CHOICE = spaces.Discrete(3, start=5)
CHOICES = spaces.MultiDiscrete([2, 4])
SWITCHES = spaces.MultiBinary(2)


@pytest.mark.parametrize(
    ("space", "lanes", "action", "expected"),
    [
        (MULTIPLIER, (), [0.1], np.array([0.1], np.float32)),
        (MULTIPLIER, (), np.array([10.0]), np.array([10], np.float32)),
        (MULTIPLIER, (), np.array([3]), np.array([3], np.float32)),
        (MULTIPLIER, (2,), [[1.0], [2.0]], np.array([[1], [2]], np.float32)),
        (PAIR, (), [1, -2], np.array([1, -2], np.float32)),
        (CHOICE, (), 7, np.int32(7)),
        (CHOICE, (), np.int64(5), np.int32(5)),
        (CHOICE, (), np.array(6, np.uint8), np.int32(6)),
        (CHOICE, (3,), [5, 6, 7], np.array([5, 6, 7], np.int32)),
        (CHOICES, (), [1, 3], np.array([1, 3], np.int32)),
        (SWITCHES, (), [0, 1], np.array([0, 1], np.int32)),
    ],
)
def test_actions_in_the_space_arrive_in_the_dtype_of_compiled_code(space, lanes, action, expected):
    checked = ActionCheck(space, lanes)(action)
    assert (checked.dtype, checked.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(checked, expected)


@pytest.mark.parametrize(
    ("space", "lanes", "action", "message"),
    [
        (MULTIPLIER, (), [np.nan], "action must be a number in [0.1, 10.0], got nan at 0"),
        (MULTIPLIER, (), [np.inf], "action must be a number in [0.1, 10.0], got inf at 0"),
        (MULTIPLIER, (), [-1.0], "action must be a number in [0.1, 10.0], got -1.0 at 0"),
        (MULTIPLIER, (), [0.0], "action must be a number in [0.1, 10.0], got 0.0 at 0"),
        (MULTIPLIER, (), [10.001], "action must be a number in [0.1, 10.0], got 10.001 at 0"),
        (MULTIPLIER, (), [1e300], "action must be a number in [0.1, 10.0], got 1e+300 at 0"),
        (MULTIPLIER, (), 1.0, "action must have shape (1,), got shape ()"),
        (MULTIPLIER, (), [1.0, 1.0], "action must have shape (1,), got shape (2,)"),
        (MULTIPLIER, (3,), [[1.0], [np.nan], [1.0]], "action must be a number in [0.1, 10.0], got nan at (1, 0)"),
        (MULTIPLIER, (3,), [[1.0], [1.0]], "action must have shape (3, 1), got shape (2, 1)"),
        (PAIR, (), [0.5, 2.5], "action must be a number in [-2.0, 2.0], got 2.5 at 1"),
        (PAIR, (), [-0.5, 0.0], "action must be a number in [0.0, 1.0], got -0.5 at 0"),
        (CHOICE, (), 4, "action must be an integer in [5, 7], got 4"),
        (CHOICE, (), 8, "action must be an integer in [5, 7], got 8"),
        (CHOICE, (), 2**40, f"action must be an integer in [5, 7], got {2**40}"),
        (CHOICE, (), [6], "action must have shape (), got shape (1,)"),
        (CHOICE, (2,), [5, -1], "action must be an integer in [5, 7], got -1 at 1"),
        (CHOICES, (), [1, 4], "action must be an integer in [0, 3], got 4 at 1"),
        (SWITCHES, (), [2, 0], "action must be an integer in [0, 1], got 2 at 0"),
    ],
)
def test_an_action_outside_the_space_is_an_error_that_names_value_and_range(space, lanes, action, message):
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        ActionCheck(space, lanes)(action)


@pytest.mark.parametrize(
    ("space", "lanes", "action", "message"),
    [
        (MULTIPLIER, (), ["1.0"], "action must be an array of numbers of shape (1,), got ['1.0'] of type list"),
        (MULTIPLIER, (), None, "action must be an array of numbers of shape (1,), got None of type NoneType"),
        (MULTIPLIER, (), [True], "action must be an array of numbers of shape (1,), got [True] of type list"),
        (MULTIPLIER, (), [1 + 0j], "action must be an array of numbers of shape (1,), got [(1+0j)] of type list"),
        (MULTIPLIER, (2,), [[1.0], []], "action must be an array of numbers of shape (2, 1), got [[1.0], []]"),
        (CHOICE, (), 6.0, "action must be an array of integers of shape (), got 6.0 of type float"),
        (CHOICE, (2,), [5.0, 6.0], "action must be an array of integers of shape (2,), got [5.0, 6.0] of type list"),
    ],
)
def test_an_action_of_the_wrong_kind_is_a_type_error(space, lanes, action, message):
    with pytest.raises(TypeError, match="^" + re.escape(message)):
        ActionCheck(space, lanes)(action)


def test_ignored_lanes_may_hold_anything_and_the_others_may_not():
    check = ActionCheck(MULTIPLIER, (3,))
    ignored = np.array([True, False, False])
    assert check([[np.nan], [1.0], [2.0]], ignored)[1:].tolist() == [[1.0], [2.0]]
    with pytest.raises(ValueError, match=re.escape("got 0.0 at (2, 0)")):
        check([[np.nan], [1.0], [0.0]], ignored)


def test_an_action_space_that_cannot_be_checked_is_refused():
    with pytest.raises(TypeError, match="action_space must be a Box, Discrete, MultiDiscrete or MultiBinary space"):
        ActionCheck(spaces.Text(3))
