# SPDX-License-Identifier: Apache-2.0
"""The events of a topic, many at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Generic

from streamer.consume.stream import E, Source, Stream


@dataclass(slots=True)
class Batch(Generic[E]):
    """Events, and the text each was read from."""

    events: list[E] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)


class Batches(Stream[E]):
    """A batch counts as processed when the next one is asked for."""

    def __init__(self, source: Source[E]) -> None:
        super().__init__(source)
        self._given: dict[int, int] = {}

    async def batch(self, most: int, timeout_s: float) -> Batch[E]:
        """At most so many events, as soon as there are so many or the time is over."""
        self._finish()
        await self._commit_in_time()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        batch: Batch[E] = Batch()
        while (room := most - len(batch.events)) and (left_s := deadline_s - loop.time()) > 0:
            for records in await self._reader.poll(room, left_s):
                for record in records:
                    event = self._event(record)
                    if event is not None and record.value is not None:
                        batch.events.append(event)
                        batch.texts.append(record.value)
                self._given[records[-1].partition] = records[-1].offset + 1
        return batch

    def _finish(self) -> None:
        self._processed |= self._given
        self._given = {}

    def _drop(self) -> None:
        self._given = {}
