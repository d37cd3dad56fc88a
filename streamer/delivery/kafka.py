# SPDX-License-Identifier: Apache-2.0
"""Delivery to Kafka: at least once, in order within a partition, once in a normal run."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Any

from hotpath.record_batch import stamp
from streamer.delivery.base import Batch, ConnectionTuple, DeliveryCounters, total
from streamer.delivery.cluster import CONNECT_ERRORS, Cluster
from streamer.delivery.explain import ClusterError
from streamer.delivery.health import Health
from streamer.delivery.records import lane_index, single_record
from streamer.delivery.security import tls_context
from streamer.delivery.sender import CLUSTER, Lane, Sender
from streamer.delivery.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from streamer.config import KafkaSettings

log = logging.getLogger("streamer.delivery")

REFRESH_EVERY_S = 60.0
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 2.0
MAX_WAITING_RECORDS = 100
RECORDS_DRAIN_S = 2.0


class KafkaDelivery:
    """Owns each batch from `put` until a broker acknowledged it or refused it for good.

    Nothing here fails because the brokers are away, refuse us, or are not Kafka: it is said by
    `status`, logged when it begins and ends, and tried again.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        on_connections_changed: Callable[[frozenset[ConnectionTuple]], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_connections_changed = on_connections_changed
        self._health = Health()
        self._lanes: dict[int, Lane] = {}
        self._record_lanes: dict[tuple[str, int], Lane] = {}
        self._refresh = asyncio.Event()
        self._described = asyncio.Event()  # the topic's partitions are known
        self._partitions: int | None = None
        self._keyed_for: int | None = None  # what the events' partitions were chosen for
        self._tasks: list[asyncio.Task[None]] = []
        self._cluster: Cluster | None = None
        self._sender: Sender | None = None
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether a batch put now would be delivered now."""
        return (
            self._described.is_set()
            and not self._closed
            and self._health.trouble_of(self._settings.topic) is None
        )

    @property
    def status(self) -> str:
        """The state in one sentence."""
        settings = self._settings
        if self._closed:
            return "closed"
        trouble = self._health.trouble_of(settings.topic) or self._health.trouble
        if trouble is not None:
            return trouble
        if not self._described.is_set():
            return f"connecting to Kafka at {settings.bootstrap_servers}"
        return (
            f"delivering to Kafka at {settings.bootstrap_servers}, topic {settings.topic}"
            f" ({self._partitions} partitions)"
        )

    async def start(self) -> None:
        """Begins to connect. Only files named in the settings can make this fail."""
        settings = self._settings
        self._cluster = Cluster(
            settings,
            tls_context(settings),
            on_lost=self._refresh.set,
            on_connections_changed=self._on_connections_changed,
        )
        self._sender = Sender(self._cluster, self._health, settings, stamp, self._refresh.set)
        for index in range(settings.partitions):
            self._lane(index)
        for lane in self._record_lanes.values():
            self._sender.lanes.append(lane)
        topics = Topics(self._cluster, settings)
        self._spawn(self._sender.run())
        self._spawn(self._look_after(self._cluster, self._sender, topics))

    async def partitions(self, timeout_s: float | None = None) -> int:
        """How many the topic has; those configured if that is not known in time.

        The caller keys its events for that number: should the topic turn out to have another one,
        it is said.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._described.wait()
        self._keyed_for = self._partitions or self._settings.partitions
        return self._keyed_for

    def put(self, batch: Batch) -> None:
        """Takes ownership."""
        self._lane(batch.partition).line.put(batch)
        if self._sender is not None:
            self._sender.wake()

    def send_record(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Queues one record for a topic of its own; the newest hundred wait, if they must."""
        place = (topic, lane_index(key))
        lane = self._record_lanes.get(place)
        if lane is None:
            lane = self._record_lanes[place] = Lane(*place)
            if self._sender is not None:
                self._sender.lanes.append(lane)
            self._refresh.set()
        if len(lane.line) >= MAX_WAITING_RECORDS:
            lane.line.drop_oldest_unsent("outdated")
        lane.line.put(single_record(key, value))
        if self._sender is not None:
            self._sender.wake()

    def counters(self) -> DeliveryCounters:
        """Of the batches; requests are counted for records too."""
        counters = total(lane.line.counters() for lane in self._lanes.values())
        requests = self._sender.requests if self._sender else 0
        return dataclasses.replace(counters, requests=requests)

    def record_counters(self) -> DeliveryCounters:
        """Of what `send_record` took."""
        return total(lane.line.counters() for lane in self._record_lanes.values())

    async def drain(self, deadline_s: float) -> bool:
        """Waits until everything is acknowledged or refused; False if time runs out first.

        Records are waited for shortly, and only while nothing stands against them.
        """
        began = time.monotonic()
        await self._settled(self._lanes, deadline_s)
        if self._health:
            left_s = deadline_s - (time.monotonic() - began)
            await self._settled(self._record_lanes, min(left_s, RECORDS_DRAIN_S))
        return not _waiting(self._lanes) and not _waiting(self._record_lanes)

    async def _settled(self, lanes: Mapping[Any, Lane], timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while _waiting(lanes) and self._sender is not None:
                    self._sender.progress.clear()
                    await self._sender.progress.wait()

    async def aclose(self) -> None:
        """Cuts the connections; what is not acknowledged stays in the counters."""
        if self._closed:
            return
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sender is not None:
            await self._sender.aclose()
        if self._cluster is not None:
            await self._cluster.aclose()
        for lane in self._all_lanes():
            lane.line.abandon()

    # ------------------------------------------------------------------ looking after

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def _all_lanes(self) -> list[Lane]:
        return [*self._lanes.values(), *self._record_lanes.values()]

    def _lane(self, index: int) -> Lane:
        lane = self._lanes.get(index)
        if lane is None:
            lane = self._lanes[index] = Lane(self._settings.topic, index)
            self._refresh.set()  # it needs a producer id
        if self._sender is not None and lane not in self._sender.lanes:
            self._sender.lanes.append(lane)
        return lane

    async def _look_after(self, cluster: Cluster, sender: Sender, topics: Topics) -> None:
        """Keeps the layout, the topics and the producer ids as the sender needs them."""
        delay = FIRST_DELAY_S
        while True:
            self._refresh.clear()
            began = time.monotonic()
            try:
                settled = await self._settle(cluster, topics)
            except (ClusterError, *CONNECT_ERRORS) as error:
                passing = isinstance(error, ClusterError) and error.passing
                if not passing or delay >= LONGEST_DELAY_S:
                    self._health.bad(CLUSTER, str(error))
                settled = False
            except Exception:  # a fault of ours must not end the delivery
                log.exception("looking after the cluster failed unexpectedly")
                settled = False
            else:
                self._health.good(CLUSTER, "Kafka can be used again")
                sender.tell_unreachable()
            sender.wake()
            delay = FIRST_DELAY_S if settled else min(delay * 2, LONGEST_DELAY_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_EVERY_S if settled else delay):
                    await self._refresh.wait()
            # However often it is asked for, not more often than this.
            await asyncio.sleep(max(0.0, began + delay - time.monotonic()))

    async def _settle(self, cluster: Cluster, topics: Topics) -> bool:
        """One look at everything; False if it is worth looking again soon."""
        names = {self._settings.topic} | {topic for topic, _ in self._record_lanes}
        layout = await cluster.refresh(names)
        settled = True
        for name in sorted(names):
            described = layout.topics.get(name)
            trouble = await topics.trouble(name, described)
            if trouble is None:
                self._health.good(f"topic {name}", f"topic {name} can be used")
            else:
                self._health.bad(f"topic {name}", trouble)
            if described is None or not described.partitions or -1 in described.leaders.values():
                settled = False
            elif name == self._settings.topic:
                self._know_partitions(described.partitions)
        for lane in self._all_lanes():
            if lane.line.identity is None:
                lane.line.identify(await cluster.new_producer_id())
        return settled

    def _know_partitions(self, partitions: int) -> None:
        if self._keyed_for not in (None, partitions) and partitions != self._partitions:
            log.warning(
                "topic %s has %d partitions, not %d: until the next start, events of one"
                " conversation stay together and in order, but not in the partition other clients"
                " would choose",
                *(self._settings.topic, partitions, self._keyed_for),
            )
        self._partitions = partitions
        self._described.set()


def _waiting(lanes: Mapping[Any, Lane]) -> bool:
    """Whether a batch is neither acknowledged nor refused."""
    return any(len(lane.line) for lane in lanes.values())
