# SPDX-License-Identifier: Apache-2.0
"""The events of a topic, many at a time, with the records they are from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streamer.consume.stream import E, Source, Stream

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    Pair = tuple[ConsumerRecord[Any, Any], E]


class Batches(Stream[E]):
    """A batch counts as processed when the next one is asked for."""

    def __init__(self, source: Source[E]) -> None:
        super().__init__(source)
        self._given: dict[int, int] = {}

    async def batch(self, most: int, timeout_s: float) -> list[Pair[E]]:
        """At most so many events, as soon as there are so many or the time is over."""
        self._finish()
        await self._commit_in_time()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        pairs: list[Pair[E]] = []
        while len(pairs) < most and (left_s := deadline_s - loop.time()) > 0:
            for records in await self._reader.poll(most - len(pairs), left_s):
                pairs += [
                    (record, event)
                    for record in records
                    if (event := self._event(record)) is not None
                ]
                self._given[records[-1].partition] = records[-1].offset + 1
        return pairs

    def _finish(self) -> None:
        self._processed |= self._given
        self._given = {}

    def _drop(self) -> None:
        self._given = {}
