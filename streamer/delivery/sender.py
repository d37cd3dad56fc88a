# SPDX-License-Identifier: Apache-2.0
"""From the lines to the brokers that lead their partitions, and the answers back."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import KafkaError

from streamer.delivery.codes import verdict
from streamer.delivery.explain import ClusterError, explain
from streamer.delivery.line import Entry, Line, Outcome, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamer.config import KafkaSettings
    from streamer.delivery.cluster import Cluster, Layout
    from streamer.delivery.connections import BrokerConnection
    from streamer.delivery.health import Health
    from streamer.delivery.produce import PartitionAnswer

    # writes producer id, epoch and base sequence into a sealed batch, and renews its checksum
    Stamper = Callable[[Any, int, int, int], None]

log = logging.getLogger("streamer.delivery")

CLUSTER = "cluster"  # a subject of Health
MAX_REQUESTS_PER_BROKER = 5
MAX_REQUEST_BYTES = 1 << 20  # one batch may be larger, and then goes alone
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 2.0
FORBIDDEN_DELAY_S = 5.0
TELL_AFTER_S = 1.0  # a delay so long means that trying again at once did not help
TELL_REFUSED_EVERY_S = 60.0


class Lane:
    """A line, the topic it goes to, and how it is doing there.

    Batches were keyed for a number of partitions that the topic may not have: lane `index` goes to
    partition `index` modulo the topic's own number. Each line is a producer of its own, so several
    may share a partition.
    """

    def __init__(self, topic: str, index: int) -> None:
        self.topic = topic
        self.index = index
        self.line: Line[Any] = Line()
        self.partition: int | None = None
        self.connection: BrokerConnection | None = None  # that carries what is in flight
        self.resume_at = 0.0
        self.delay_s = 0.0

    def back_off(self, now: float, *, forbidden: bool) -> None:
        """Wait longer after each failure in a row."""
        if forbidden:
            self.delay_s = FORBIDDEN_DELAY_S
        else:
            self.delay_s = min(max(FIRST_DELAY_S, self.delay_s * 2), LONGEST_DELAY_S)
        self.resume_at = now + self.delay_s

    def move_to(self, partition: int) -> bool:
        """Whether the line may send to this partition now; its sequences start anew there."""
        if partition != self.partition:
            if self.line.in_flight:
                return False
            if self.partition is not None:
                self.line.renew_epoch()
            self.partition = partition
        return self.line.can_send


class Flight(NamedTuple):
    """One batch on its way."""

    lane: Lane
    entry: Entry[Any]


class Sender:
    """Sends whatever may be sent, as soon as it may."""

    def __init__(
        self,
        cluster: Cluster,
        health: Health,
        settings: KafkaSettings,
        stamp: Stamper,
        refresh: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._health = health
        self._stamp = stamp
        self._refresh = refresh
        self._protocol = settings.security_protocol
        self._max_in_flight_bytes = settings.max_in_flight_bytes
        self._in_flight_bytes = 0
        self._connects: dict[int, asyncio.Task[None]] = {}
        self._connect_after: dict[int, float] = {}
        self._unreachable: dict[int, str] = {}  # why
        self._told_refused: dict[str, float] = {}
        self._wake = asyncio.Event()
        self.progress = asyncio.Event()  # something was answered
        self.lanes: list[Lane] = []
        self.requests = 0

    def wake(self) -> None:
        """Something changed: look again for what may be sent."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            try:
                delay = self._dispatch()
            except Exception:  # a fault of ours must not end the delivery
                log.exception("sending failed unexpectedly")
                delay = LONGEST_DELAY_S
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def aclose(self) -> None:
        """Stops connecting; what is in flight is resolved when the connections are cut."""
        tasks = list(self._connects.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ sending

    def _dispatch(self) -> float | None:
        """Sends what may be sent; seconds until something else may be, None if only an event."""
        layout = self._cluster.layout
        if layout is None:
            return None
        self._forget_reached(layout)
        now = time.monotonic()
        wait_until: float | None = None
        by_leader: dict[int, list[Lane]] = {}
        for lane in self.lanes:
            if not lane.line.can_send:
                if lane.line.identity is None and len(lane.line):
                    self._refresh()  # whoever looks after the cluster gets it one, and wakes us
                continue
            if now < lane.resume_at:
                wait_until = min(wait_until or lane.resume_at, lane.resume_at)
                continue
            topic = layout.topics.get(lane.topic)
            if topic is None or not topic.partitions:
                continue  # whoever looks after the topics will wake us
            if not lane.move_to(lane.index % topic.partitions):
                if lane.line.identity is None:
                    self._refresh()
                continue
            leader = topic.leaders.get(lane.partition or 0, -1)
            if leader < 0:
                self._refresh()
                continue
            by_leader.setdefault(leader, []).append(lane)
        for leader, lanes in by_leader.items():
            resume_at = self._send_to(leader, lanes, now)
            if resume_at is not None:
                wait_until = min(wait_until or resume_at, resume_at)
        # The last lane comes first next time, so that none starves when the bounds are reached.
        self.lanes.insert(0, self.lanes.pop()) if self.lanes else None
        return None if wait_until is None else max(0.0, wait_until - now)

    def _send_to(self, leader: int, lanes: list[Lane], now: float) -> float | None:
        connection = self._cluster.connection(leader)
        if connection is None:
            resume_at = self._connect_after.get(leader, 0.0)
            if now < resume_at:
                return resume_at
            if leader not in self._connects and not self._health.has(CLUSTER):
                task = asyncio.create_task(self._connect(leader))
                self._connects[leader] = task
                task.add_done_callback(lambda _: self._connects.pop(leader, None))
            return None
        while connection.requests_in_flight < MAX_REQUESTS_PER_BROKER:
            if not self._send_one(connection, lanes):
                break
        return None

    def _send_one(self, connection: BrokerConnection, lanes: list[Lane]) -> bool:
        """One request with at most one batch of each partition; False if there was none."""
        topics: dict[str, list[tuple[int, Any, int]]] = {}
        flights: dict[tuple[str, int], Flight] = {}
        size = 0
        for lane in lanes:
            line, place = lane.line, (lane.topic, lane.partition or 0)
            if not line.can_send or place in flights:
                continue
            if line.in_flight and lane.connection is not connection:
                continue  # the leader changed: first the answers of the old one
            next_size = line.next_size
            if flights and size + next_size > MAX_REQUEST_BYTES:
                continue
            if self._in_flight_bytes and (
                self._in_flight_bytes + next_size > self._max_in_flight_bytes
            ):
                break
            entry, stamp = line.next()
            if not self._stamp_entry(entry, stamp):
                line.resolve(entry, Outcome.REFUSED, "malformed_batch")
                self.progress.set()
                self.wake()
                continue
            lane.connection = connection
            flights[place] = Flight(lane, entry)
            topics.setdefault(lane.topic, []).append((place[1], entry.batch, entry.size))
            size += entry.size
            self._in_flight_bytes += entry.size
        if not flights:
            return False
        try:
            answer = connection.produce(topics)
        except (KafkaError, OSError) as error:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(error)
        self.requests += 1
        answer.add_done_callback(functools.partial(self._answered, flights))
        return True

    def _stamp_entry(self, entry: Entry[Any], stamp: Stamp) -> bool:
        """False if the bytes are no batch: a fault of ours, and counted as such."""
        if entry.stamped != stamp:
            try:
                self._stamp(entry.batch, *stamp)
            except ValueError:
                log.exception("a batch of %d events is malformed", entry.events)
                return False
            entry.stamped = stamp
        return True

    async def _connect(self, leader: int) -> None:
        try:
            await self._cluster.connect(leader)
        except ClusterError as error:
            self._unreachable[leader] = str(error)
            self._connect_after[leader] = time.monotonic() + LONGEST_DELAY_S / 2
            self._refresh()
        self.wake()

    def tell_unreachable(self) -> None:
        """To be called when the cluster answers: then it is these brokers alone."""
        if self._cluster.layout is not None:
            self._forget_reached(self._cluster.layout)
        for node_id, reason in self._unreachable.items():
            self._health.bad(f"broker {node_id}", reason)

    def _forget_reached(self, layout: Layout) -> None:
        """A broker is no trouble any more when it is connected, or leads nothing of ours."""
        for node_id in list(self._unreachable):
            leads = any(node_id in topic.leaders.values() for topic in layout.topics.values())
            if not leads or self._cluster.connection(node_id) is not None:
                del self._unreachable[node_id]
                self._health.good(f"broker {node_id}", f"broker {node_id} is no hindrance any more")

    # ------------------------------------------------------------------ answers

    def _answered(
        self,
        flights: dict[tuple[str, int], Flight],
        answer: asyncio.Future[list[PartitionAnswer]],
    ) -> None:
        for flight in flights.values():
            self._in_flight_bytes -= flight.entry.size
        error = None if answer.cancelled() else answer.exception()
        if error is not None or answer.cancelled():
            log.debug("a request was lost: %r", error)
            for flight in flights.values():
                flight.lane.line.resolve(flight.entry, Outcome.RETRY)
            if isinstance(error, KafkaError) and not error.retriable:
                reason = explain(error, self._protocol)
                for flight in flights.values():
                    self._held_up(flight.lane, reason, forbidden=True)
            self._refresh()
        else:
            for told in answer.result():
                flown = flights.pop((told.topic, told.partition), None)
                if flown is not None:
                    self._resolve(flown, told)
            for flight in flights.values():  # not mentioned in the answer
                flight.lane.line.resolve(flight.entry, Outcome.DOUBTFUL, "no_answer")
        self.progress.set()
        self.wake()

    def _resolve(self, flight: Flight, told: PartitionAnswer) -> None:
        lane, entry = flight
        found = verdict(told.code)
        lane.line.resolve(entry, found.outcome, found.name)
        if found.stale:
            self._refresh()
        if found.outcome is Outcome.ACKNOWLEDGED:
            lane.delay_s = 0.0
            self._health.good(f"sending {lane.topic}", f"Kafka takes {lane.topic} again")
        elif found.outcome is Outcome.REFUSED:
            self._tell_refused(entry, found.name, told)
        elif found.outcome in (Outcome.RETRY, Outcome.DOUBTFUL):
            text = f"{found.name} ({told.message})" if told.message else found.name
            self._held_up(lane, text, forbidden=found.forbidden)

    def _held_up(self, lane: Lane, reason: str, *, forbidden: bool) -> None:
        now = time.monotonic()
        if lane.resume_at <= now:  # once for all that is answered together
            lane.back_off(now, forbidden=forbidden)
        if lane.delay_s >= TELL_AFTER_S:
            self._health.bad(
                f"sending {lane.topic}", f"Kafka does not take {lane.topic} now: {reason}"
            )

    def _tell_refused(self, entry: Entry[Any], reason: str, told: PartitionAnswer) -> None:
        now = time.monotonic()
        if now - self._told_refused.get(reason, -TELL_REFUSED_EVERY_S) < TELL_REFUSED_EVERY_S:
            return
        self._told_refused[reason] = now
        log.error(
            "Kafka refused %d events for %s, partition %d, as %s (%s); such losses are counted,"
            " and said at most once a minute",
            *(entry.events, told.topic, told.partition, reason, told.message or "no reason given"),
        )
