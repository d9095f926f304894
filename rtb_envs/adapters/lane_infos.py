"""The infos of one step of many lanes, as a sequence of dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Info = dict[str, Any]


def _nothing() -> dict[int, Info]:
    return {}


class LaneInfos(Sequence[Info]):
    """A dictionary for each of ``num_lanes`` lanes, all made when one of them is first looked at.

    ``told`` gives what is in those of some lanes; the others are empty. A dictionary may be written into and replaced.
    A step of a thousand lanes takes as long as making a few thousand dictionaries, and not every caller reads them.
    """

    def __init__(self, num_lanes: int, told: Callable[[], dict[int, Info]] = _nothing) -> None:
        self._num_lanes = num_lanes
        self._told = told
        self._made: list[Info] | None = None

    @property
    def _infos(self) -> list[Info]:
        if self._made is None:
            self._made = [{} for _ in range(self._num_lanes)]
            for lane, info in self._told().items():
                self._made[lane] = info
            self._told = _nothing  # whose arrays are needed no more
        return self._made

    def __len__(self) -> int:
        return self._num_lanes

    def __getitem__(self, lane: Any) -> Any:
        return self._infos[lane]

    def __setitem__(self, lane: int, info: Info) -> None:
        self._infos[lane] = info

    def __iter__(self) -> Iterator[Info]:
        return iter(self._infos)

    def __repr__(self) -> str:
        return repr(self._infos)
