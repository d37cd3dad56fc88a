# SPDX-License-Identifier: Apache-2.0
"""The events of a topic, many at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from streamer.consume.stream import E, Source, Stream

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord


@dataclass(slots=True)
class Batch(Generic[E]):
    """Events, and the text each was read from."""

    events: list[E] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)


class Batches(Stream[E]):
    """A batch counts as processed when the next one is asked for.

    Whoever gives up waiting for a batch (a time-out of his own, an error of `on_rejected`) loses
    nothing: it goes on being filled by the next call.
    """

    def __init__(self, source: Source[E]) -> None:
        super().__init__(source)
        self._given: dict[int, int] = {}
        self._begin()

    async def batch(self, most: int, timeout_s: float) -> Batch[E]:
        """At most so many events, as soon as there are so many or the time is over."""
        self._finish()
        await self._commit_in_time()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while True:
            self._take_pending()
            room, left_s = most - len(self._open.events), deadline_s - loop.time()
            if room <= 0 or left_s <= 0:
                break
            for records in await self._reader.poll(room, left_s):
                self._pending.extend(records)
        batch, self._given = self._open, self._taken
        self._begin()
        return batch

    def _begin(self) -> None:
        self._open: Batch[E] = Batch()
        self._taken: dict[int, int] = {}  # by partition: the offset after the last one in it
        self._pending: deque[ConsumerRecord[Any, Any]] = deque()

    def _take_pending(self) -> None:
        while self._pending:
            record = self._pending.popleft()
            self._taken[record.partition] = record.offset + 1
            event = self._event(record)
            if event is not None and record.value is not None:
                self._open.events.append(event)
                self._open.texts.append(record.value)

    def _finish(self) -> None:
        self._processed |= self._given
        self._given = {}

    def _drop(self) -> None:
        self._given = {}
        self._begin()
