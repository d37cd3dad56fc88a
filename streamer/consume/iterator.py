# SPDX-License-Identifier: Apache-2.0
"""The events of a topic, one by one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from streamer.consume.stream import E, Source, Stream
from streamer.consume.tables import Tables

if TYPE_CHECKING:
    from typing import Self

    from aiokafka import ConsumerRecord

POLL_RECORDS = 500
POLL_S = 1.0


class Events(Stream[E]):
    """`async with` opens it, `async for` gives its events one by one.

    An event counts as processed when the next one is asked for, or when the `async with` is left
    without an exception. Only then is its offset committed: whoever dies in between is given it
    again.
    """

    def __init__(self, source: Source[E]) -> None:
        super().__init__(source)
        self._source = source
        self._pending: deque[ConsumerRecord[Any, Any]] = deque()
        self._given: ConsumerRecord[Any, Any] | None = None

    def tables(self, *, rows: int = 10_000, wait_s: float = 1.0) -> Tables[E]:
        """The same events as Arrow tables (pyarrow), in place of one by one.

        A table has at most `rows` rows, and fewer if so many did not come within `wait_s`; never
        none.
        """
        return Tables(self._source, rows=rows, wait_s=wait_s)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while True:
            self._finish()
            await self._commit_in_time()
            while self._pending:
                self._given = self._pending.popleft()
                event = self._event(self._given)
                if event is not None:
                    return event
                self._finish()
            for records in await self._reader.poll(POLL_RECORDS, POLL_S):
                self._pending.extend(records)

    def _finish(self) -> None:
        if self._given is not None:
            self._processed[self._given.partition] = self._given.offset + 1
            self._given = None

    def _drop(self) -> None:
        self._pending.clear()
        self._given = None
