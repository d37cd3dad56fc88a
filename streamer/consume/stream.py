# SPDX-License-Identifier: Apache-2.0
"""A topic's records as events: decoded, checked, each once; and how far they were processed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from pydantic import ValidationError

from streamer.config import KafkaSettings
from streamer.consume.event import Event
from streamer.consume.filter import compile_filter
from streamer.consume.reader import Reader
from streamer.consume.rejected import Rejects
from streamer.consume.sequences import Sequences
from streamer.consume.start import checked
from streamer.errors import UsageError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from aiokafka import ConsumerRecord

    from streamer.consume.rejected import Rejected
    from streamer.consume.start import Start
    from streamer.schema import Topic as TopicTable

E = TypeVar("E", bound=Event)

COMMIT_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Source(Generic[E]):
    """What is to be read, and how."""

    kafka: str | KafkaSettings
    record: type[E]
    table: TopicTable
    topic: str
    group: str | None = None
    start: Start = "now"
    where: str | None = None
    on_rejected: Callable[[Rejected], None] | None = None


class Stream(Generic[E]):
    """What the ways to read have in common; they differ in how events are handed out."""

    def __init__(self, source: Source[E]) -> None:
        kafka, where = source.kafka, source.where
        self._reader = Reader(
            _settings(kafka) if isinstance(kafka, str) else kafka,
            source.topic,
            start=checked(source.start),
            group=source.group,
            on_revoked=self._revoked,
            on_assigned=self._assigned,
        )
        self._decode = msgspec.json.Decoder(source.record).decode
        self._where = None if where is None else compile_filter(where, source.table)
        self._rejects = Rejects(source.on_rejected)
        self._sequences = Sequences()
        self._seen: dict[int, int] = {}  # by partition: the offset after the last decoded record
        self._missing: int | None = None
        self._processed: dict[int, int] = {}  # by partition: where to go on after a restart
        self._committed_at_s = 0.0

    async def __aenter__(self) -> Self:
        await self._reader.start()
        self._committed_at_s = asyncio.get_running_loop().time()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
            await self.commit()
        finally:
            self._measure()
            await self._reader.aclose()

    @property
    def rejected(self) -> Counter[str]:
        """Records that are no events of this topic, by reason."""
        return self._rejects.counts

    @property
    def duplicates(self) -> int:
        """Events left out because they had come before."""
        return self._sequences.duplicates

    @property
    def missing(self) -> int | None:
        """Events that should have come by their sequence and have not.

        It is of the last time that all was read that Kafka had; some of them may have been on
        their way to Kafka then. Where reading began in the middle of a run, the run counts once
        each partition has shown an event of it. None: there was no such time yet, or this member
        of a group does not read all partitions, so it can't know.
        """
        self._measure()
        return self._missing

    @property
    def expired(self) -> int:
        """Records that Kafka deleted, by its retention, before they were read."""
        return self._reader.expired

    async def trouble(self) -> str | None:
        """Ask the brokers whether the topic can be read; None: it can."""
        return await self._reader.trouble()

    async def commit(self) -> None:
        """Tell the group now what was processed; otherwise that happens every five seconds.

        Brokers that do not answer in time are logged, and told later.
        """
        self._committed_at_s = asyncio.get_running_loop().time()
        told = dict(self._processed)
        if await self._reader.commit(told):
            # what was processed meanwhile stays to be told
            self._processed = dict(self._processed.items() - told.items())

    async def _commit_in_time(self) -> None:
        if asyncio.get_running_loop().time() - self._committed_at_s >= COMMIT_EVERY_S:
            self._measure()
            await self.commit()

    def _measure(self) -> None:
        if not self._reader.is_open:
            return
        if not self._reader.whole:
            self._missing = None
        elif self._reader.ends_at(self._seen):
            self._missing = self._sequences.missing(self._reader.begun_later)

    def _event(self, record: ConsumerRecord[Any, Any]) -> E | None:
        """The record's event; None for one that is not to be handed out."""
        self._seen[record.partition] = record.offset + 1
        value = record.value
        if value is None:
            self._rejects.add(record, "empty", "it has no value")
            return None
        try:
            event = self._decode(value)
        except msgspec.ValidationError as error:
            self._rejects.add(record, "not an event", str(error))
            return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._rejects.add(record, "not JSON", str(error))
            return None
        if not self._sequences.is_new(record.partition, record.offset, event.identity):
            return None
        return event if self._where is None or self._where(event) else None

    def _finish(self) -> None:
        """The caller has left in good order: what it was given last is processed as well."""

    def _drop(self) -> None:
        """Forget what was read and not handed out."""

    def _revoked(self) -> dict[int, int]:
        self._drop()
        processed, self._processed = self._processed, {}
        return processed

    def _assigned(self) -> None:
        self._sequences.restart()
        self._seen.clear()


def _settings(servers: str) -> KafkaSettings:
    try:
        return KafkaSettings(bootstrap_servers=servers)
    except ValidationError:
        raise UsageError(
            f"{servers!r} are no brokers", "give HOST:PORT, or several separated by commas"
        ) from None
