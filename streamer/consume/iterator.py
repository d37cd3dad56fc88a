# SPDX-License-Identifier: Apache-2.0
"""The events of a topic, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamer.consume.stream import E, Source, Stream
from streamer.consume.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        self._pending: Iterator[E] = iter(())
        self._given: tuple[int, int] | None = None  # partition and next offset of the last one

    def tables(self, *, rows: int = 10_000, wait_s: float = 1.0) -> Tables[E]:
        """The same events as Arrow tables (pyarrow), in place of one by one.

        A table has at most `rows` rows, and fewer if no more came within `wait_s`; never none.
        """
        return Tables(self._source, rows=rows, wait_s=wait_s)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while True:
            self._finish()
            await self._commit_in_time()
            for event in self._pending:
                return event
            polled = await self._reader.poll(POLL_RECORDS, POLL_S)
            self._pending = self._events(polled)

    def _events(self, polled: list[list[ConsumerRecord[Any, Any]]]) -> Iterator[E]:
        for records in polled:
            for record in records:
                place = record.partition, record.offset + 1
                event = self._event(record)
                if event is None:
                    self._processed[place[0]] = place[1]
                else:
                    self._given = place
                    yield event

    def _finish(self) -> None:
        if self._given is not None:
            partition, offset = self._given
            self._processed[partition] = offset
            self._given = None

    def _drop(self) -> None:
        self._pending = iter(())
        self._given = None
