# SPDX-License-Identifier: Apache-2.0
"""The records of one topic, from a place on, by aiokafka's consumer.

What is not processed is not committed: positions go to Kafka when the caller says so. aiokafka
fetches ahead at most one answer for each partition (1 MiB), so a slow caller holds up the broker
and not this process's memory.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition, errors

from streamer.delivery.cluster import Cluster
from streamer.delivery.codes import verdict
from streamer.delivery.explain import ClusterError
from streamer.delivery.security import tls_context
from streamer.delivery.topics import UNKNOWN_TOPIC
from streamer.errors import ReadError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from aiokafka import ConsumerRecord

    from streamer.config import KafkaSettings
    from streamer.consume.start import Start

log = logging.getLogger("streamer.consume")

TOPIC_FORBIDDEN = 29
CLOSE_TIMEOUT_S = 5.0
RETRY_S = 0.5
METADATA_MAX_AGE_MS = 30_000  # how long a new partition may go unnoticed


class Reader:
    """Reads a topic's partitions: all of them, or those a consumer group gives us."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        *,
        start: Start,
        group: str | None = None,
        on_revoked: Callable[[], Mapping[int, int]] = dict,
        on_assigned: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_revoked` is called when other members take partitions; it gives what to commit."""
        self.topic = topic
        self.expired = 0
        """Records that were deleted (by retention) before they could be read."""
        self._kafka = kafka
        self._start: Start = start
        self._group = group
        self._on_revoked = on_revoked
        self._on_assigned = on_assigned
        self._consumer: AIOKafkaConsumer | None = None
        self._begun: dict[int, int] = {}  # where reading began, if that was for us to choose
        self._next: dict[int, int] = {}  # without a group: where each partition goes on

    async def start(self) -> None:
        """Connect, and find the place to begin."""
        tls = tls_context(self._kafka)
        partitions = await self._described(tls)
        self._consumer = consumer = self._make_consumer(tls)
        try:
            if self._group is not None:
                consumer.subscribe([self.topic], listener=_Rebalance(self))
            await consumer.start()
            if self._group is None:
                await self._assign(partitions)
        except errors.KafkaError as error:
            await self.aclose()
            raise self._failure(error) from error
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Leave the group, if there is one, and disconnect."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            stopping = asyncio.create_task(consumer.stop())
            await asyncio.wait([stopping], timeout=CLOSE_TIMEOUT_S)
            if not stopping.done() or stopping.cancelled() or stopping.exception():
                # Without brokers it waits for them, or is hit by the cancelling of its own tasks.
                stopping.cancel()
                await consumer._client.close()

    @property
    def is_open(self) -> bool:
        """Between `start` and `aclose`."""
        return self._consumer is not None

    @property
    def consumer(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise ReadError(f"{self.topic} is not being read", "use `async with`")
        return self._consumer

    @property
    def partitions(self) -> set[int]:
        """Those we read."""
        return {place.partition for place in self.consumer.assignment()}

    @property
    def whole(self) -> bool:
        """Whether every partition of the topic is read by us."""
        return self.partitions == (self.consumer.partitions_for_topic(self.topic) or set())

    @property
    def begun_later(self) -> set[int]:
        """Partitions that may have records before the place where we began."""
        return {each for each in self.partitions if self._begun.get(each) != 0}

    def ends_at(self, seen: Mapping[int, int]) -> bool:
        """Whether these next offsets are the ends of all our partitions, as far as we know."""
        for place in self.consumer.assignment():
            end = self.consumer.highwater(place)
            # Where neither is known, the group's place is the end: nothing has come.
            at = seen.get(place.partition, self._begun.get(place.partition, end))
            if end is None or at is None or at < end:
                return False
        return True

    async def poll(self, most: int, timeout_s: float) -> list[list[ConsumerRecord[Any, Any]]]:
        """Some records by partition, in order; nothing if none came in time."""
        if self._group is None:
            await self._follow_growth()
        try:
            polled = await self._polled(most, timeout_s)
        except errors.KafkaError as error:
            if not error.retriable and not isinstance(error, errors.KafkaTimeoutError):
                raise self._failure(error) from error
            log.warning("%s: %s", self.topic, str(error) or type(error).__name__)
            await asyncio.sleep(RETRY_S)
            return []
        for place, records in polled.items():
            self._next[place.partition] = records[-1].offset + 1
        return list(polled.values())

    async def _polled(
        self, most: int, timeout_s: float
    ) -> dict[TopicPartition, list[ConsumerRecord[Any, Any]]]:
        polled: dict[TopicPartition, list[ConsumerRecord[Any, Any]]] = {}
        try:
            polled = await self.consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=most)
        except errors.NoOffsetForPartitionError:
            await self._begin()
        except errors.OffsetOutOfRangeError as error:
            await self._recover(error.args[0])
        return polled

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """Tell the group where each partition goes on after a restart; False: try again later."""
        ours = self.partitions if self._group is not None else set()
        offsets = {
            TopicPartition(self.topic, partition): offset
            for partition, offset in positions.items()
            if partition in ours
        }
        if not offsets:
            return True
        try:
            async with asyncio.timeout(self._kafka.request_timeout_ms / 1000):
                await self.consumer.commit(offsets)
        except errors.CommitFailedError:
            # The group has moved on without us: what we read since will be read again.
            log.warning("%s: the group %s did not take our offsets", self.topic, self._group)
        except TimeoutError:
            log.warning("%s: offsets of group %s are not committed yet", self.topic, self._group)
            return False
        except errors.KafkaError as error:
            raise self._failure(error) from error
        return True

    async def trouble(self) -> str | None:
        """Ask the brokers; what stands against reading, or None."""
        try:
            await self._described(tls_context(self._kafka))
        except ReadError as error:
            return error.message
        return None

    # ------------------------------------------------------------------ beginning

    async def _described(self, tls: ssl.SSLContext | None) -> list[int]:
        """The topic's partitions, or a ReadError that says why not."""
        cluster = Cluster(self._kafka, tls, on_lost=lambda: None, on_connections_changed=None)
        try:
            layout = await cluster.refresh([self.topic])
        except ClusterError as error:
            raise ReadError(
                str(error), "is the address right, is the broker running? see streamer doctor"
            ) from error
        finally:
            await cluster.aclose()
        found = layout.topics.get(self.topic)
        code = UNKNOWN_TOPIC if found is None else found.code
        if code == UNKNOWN_TOPIC:
            raise ReadError(
                f"there is no topic {self.topic} at {self._kafka.bootstrap_servers}",
                "streamer run creates its topics when it starts",
            )
        if code == TOPIC_FORBIDDEN:
            raise self._forbidden()
        if found is None or code:
            raise ReadError(f"topic {self.topic} can't be read: {verdict(code).name}")
        return sorted(found.leaders)

    def _make_consumer(self, tls: ssl.SSLContext | None) -> AIOKafkaConsumer:
        kafka = self._kafka
        password = kafka.sasl_password
        return AIOKafkaConsumer(
            bootstrap_servers=",".join(kafka.servers),
            client_id=kafka.client_id,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",  # where to begin is decided here, and a loss is counted
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            request_timeout_ms=kafka.request_timeout_ms,
            security_protocol=kafka.security_protocol,
            ssl_context=tls,
            sasl_mechanism=kafka.sasl_mechanism or "PLAIN",
            sasl_plain_username=kafka.sasl_username,
            sasl_plain_password=password.get_secret_value() if password else None,
        )

    async def _assign(self, partitions: Iterable[int]) -> None:
        places = [TopicPartition(self.topic, partition) for partition in partitions]
        offsets = await self._offsets(places, self._start)
        self.consumer.assign(places)
        for place, offset in offsets.items():
            self.consumer.seek(place, offset)
            self._begun[place.partition] = self._next[place.partition] = offset
        self._on_assigned()

    async def _begin(self) -> None:
        """Choose where the group begins in partitions it has never committed to."""
        places = list(self.consumer.assignment())
        committed = {place: await self.consumer.committed(place) for place in places}
        lacking = [place for place, offset in committed.items() if offset is None]
        # If the group knows others of the topic, these partitions are new: they have a start.
        start: Start = self._start if len(lacking) == len(places) else "start"
        offsets = await self._offsets(lacking, start)
        for place, offset in offsets.items():
            self.consumer.seek(place, offset)
            self._begun[place.partition] = offset
        # Kept at once, so that whoever dies before the first event goes on from here.
        await self.commit({place.partition: offset for place, offset in offsets.items()})

    async def _offsets(
        self, places: list[TopicPartition], start: Start
    ) -> dict[TopicPartition, int]:
        """Where each partition begins."""
        found: dict[TopicPartition, int]
        if start == "start":
            found = await self.consumer.beginning_offsets(places)
            return found
        found = await self.consumer.end_offsets(places)
        if start != "now":
            at_ms = max(0, int(start.timestamp() * 1000))
            later = await self.consumer.offsets_for_times(dict.fromkeys(places, at_ms))
            found |= {place: at.offset for place, at in later.items() if at is not None}
        return found

    async def _follow_growth(self) -> None:
        """Partitions that the topic has got since are read from their start."""
        known = self.consumer.partitions_for_topic(self.topic) or set()
        added = known - self._next.keys()
        if not added:
            return
        self._begun |= dict.fromkeys(added, 0)
        self._next |= dict.fromkeys(added, 0)
        self.consumer.assign([TopicPartition(self.topic, each) for each in sorted(self._next)])
        for partition, offset in self._next.items():
            self.consumer.seek(TopicPartition(self.topic, partition), offset)

    async def _recover(self, lost: Mapping[TopicPartition, int]) -> None:
        """Go on at what the topic still has, and count what it has no more."""
        first = await self.consumer.beginning_offsets(list(lost))
        for place, wanted in lost.items():
            expired = max(0, first[place] - wanted)  # none: the topic was made anew
            self.expired += expired
            log.warning(
                "%s: partition %d has nothing at offset %d any more, going on at %d",
                self.topic,
                place.partition,
                wanted,
                first[place],
            )
            self.consumer.seek(place, first[place])

    # ------------------------------------------------------------------ failures

    def _failure(self, error: errors.KafkaError) -> ReadError:
        if isinstance(error, errors.TopicAuthorizationFailedError):
            return self._forbidden()
        if isinstance(error, errors.GroupAuthorizationFailedError):
            return ReadError(
                f"not allowed to read as group {self._group}", "grant Read on the group"
            )
        if isinstance(error, errors.RecordTooLargeError):
            return ReadError(f"{self.topic} has a record larger than can be fetched: {error}")
        told = str(error) or type(error).__name__
        return ReadError(f"{self.topic} can't be read: {told}")

    def _forbidden(self) -> ReadError:
        return ReadError(f"not allowed to read topic {self.topic}", "grant Describe and Read on it")

    async def revoked(self) -> None:
        """Partitions are about to go to other members."""
        await self.commit(self._on_revoked())

    def assigned(self) -> None:
        """The group has given us partitions."""
        self._begun.clear()
        self._on_assigned()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: set[TopicPartition]
    ) -> None:
        if revoked:
            await self._reader.revoked()

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        del assigned
        self._reader.assigned()
