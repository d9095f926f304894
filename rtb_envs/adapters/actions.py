"""Actions checked before they reach compiled code, which would clip them silently."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from rtb_envs import validation


class ActionCheck:
    """What an action of ``space`` has to be, with ``lanes`` as leading axes: () for one action, (n,) for a batch.

    ``name`` is what errors call it.
    """

    def __init__(self, space: gymnasium.Space[Any], lanes: tuple[int, ...] = (), name: str = "action") -> None:
        self._name = name
        self._integral = not isinstance(space, spaces.Box) or np.issubdtype(space.dtype, np.integer)
        self._dtype = np.dtype(np.int32) if self._integral else np.dtype(space.dtype)
        self._low, self._high = _bounds(space)
        self._lanes = lanes
        self._shape = (*lanes, *np.shape(self._low))

    def __call__(self, action: Any, ignored: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[Any]:
        """``action`` as an array of the shape and dtype that compiled code takes.

        ``ignored`` [lanes] marks lanes whose action may be anything. Raises TypeError for what is no number (or no
        integer, where integers are needed), ValueError for a wrong shape, NaN, or a value out of range.
        """
        array = self._as_array(action)
        if array.shape != self._shape:
            raise ValueError(f"{self._name} must have shape {self._shape}, got shape {array.shape}")
        valid = (array >= self._low) & (array <= self._high)
        if not valid.all():
            if ignored is not None:
                valid |= ignored.reshape(ignored.shape + (1,) * (valid.ndim - ignored.ndim))
            if not valid.all():
                raise self._refused(action, array, valid)
        return array.astype(self._dtype, copy=False)

    def _as_array(self, action: Any) -> npt.NDArray[Any]:
        try:
            array = np.asarray(action)
        except ValueError:  # rows of different lengths
            raise self._wrong_type(action) from None
        if array.dtype == self._dtype:
            return array
        if array.dtype.kind not in ("iu" if self._integral else "iuf"):
            raise self._wrong_type(action)
        if self._integral:
            return array
        # Rounded first: 0.1 is below float32's 0.1, which is the bound of a space.
        with np.errstate(over="ignore"):
            return array.astype(self._dtype)

    def _wrong_type(self, action: Any) -> TypeError:
        kind = "integers" if self._integral else "numbers"
        return validation.wrong_type(self._name, f"an array of {kind} of shape {self._shape}", action)

    def _refused(self, action: Any, array: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> ValueError:
        index = tuple(int(i) for i in np.argwhere(~valid)[0])
        within = index[len(self._lanes) :]
        low, high, value = self._low[within], self._high[within], np.asarray(action)[index]
        where = f" at {index if len(index) > 1 else index[0]}" if index else ""
        kind = "an integer" if self._integral else "a number"
        # str shows float32's 0.1 as 0.1; format would show the double next to it.
        return ValueError(f"{self._name} must be {kind} in [{low!s}, {high!s}], got {value!s}{where}")


def _bounds(space: gymnasium.Space[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The smallest and the largest action, shaped as an action."""
    match space:
        case spaces.Box():
            return space.low, space.high
        case spaces.Discrete():
            return np.asarray(space.start), np.asarray(space.start + space.n - 1)
        case spaces.MultiDiscrete():
            return space.start, space.start + space.nvec - 1
        case spaces.MultiBinary():
            return np.zeros(space.shape, np.int64), np.ones(space.shape, np.int64)
    raise validation.wrong_type("action_space", "a Box, Discrete, MultiDiscrete or MultiBinary space", space)
