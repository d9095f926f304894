"""Rows on their way to the store: gathered into batches, and written by a thread while the next are made."""

from __future__ import annotations

import queue
import threading
from typing import Any

from rtb_envs.studies.marketplace.store import Store

Rows = list[dict[str, Any]]
BATCHES_WAITING = 4


class Writer:
    """Writes whole days in batches, each batch in one transaction; a context that waits for the last one.

    ``in_background`` has a thread write them; else ``add`` does. A failure is raised by the next call of ``add``, or
    at the end.
    """

    def __init__(self, store: Store, run: str, *, batch_entries: int = 10_000, in_background: bool = True) -> None:
        self._store, self._run, self._batch_entries = store, run, batch_entries
        self._entries: Rows = []
        self._days: Rows = []
        self._failure: BaseException | None = None
        self._waiting: queue.Queue[tuple[Rows, Rows] | None] = queue.Queue(BATCHES_WAITING)
        self._thread = threading.Thread(target=self._work, name="marketplace-writer") if in_background else None

    def __enter__(self) -> Writer:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        # Whole days are worth keeping, whatever stopped the run.
        self._send()
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def add(self, entries: Rows, day: dict[str, Any]) -> None:
        """Add the entries of a day and its end."""
        if self._failure is not None:
            raise self._failure
        self._entries += entries
        self._days.append(day)
        if len(self._entries) >= self._batch_entries:
            self._send()

    def _send(self) -> None:
        if not self._days:
            return
        batch, self._entries, self._days = (self._entries, self._days), [], []
        if self._thread is None:
            self._store.write(self._run, *batch)
        else:
            self._waiting.put(batch)

    def _work(self) -> None:
        while (batch := self._waiting.get()) is not None:
            if self._failure is None:
                try:
                    self._store.write(self._run, *batch)
                except BaseException as failure:  # handed to the thread that adds
                    self._failure = failure
