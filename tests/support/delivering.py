# SPDX-License-Identifier: Apache-2.0
"""Delivery to Kafka in tests: started and closed, fed with numbered events, read back."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from streamer.config import KafkaSettings
from streamer.delivery import ConnectionTuple, DeliveryCounters, KafkaDelivery
from tests.support.batches import MadeBatch, make_batch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PARTITIONS = 3


@asynccontextmanager
async def delivering(
    servers: str,
    topic: str,
    on_connections_changed: Callable[[frozenset[ConnectionTuple]], None] | None = None,
    **settings: Any,
) -> AsyncIterator[KafkaDelivery]:
    """A delivery that is started, and closed within a second."""
    kafka = KafkaSettings(
        bootstrap_servers=servers, topic=topic, **{"request_timeout_ms": 3000, **settings}
    )
    delivery = KafkaDelivery(kafka, on_connections_changed=on_connections_changed)
    await delivery.start()
    try:
        yield delivery
    finally:
        began = time.monotonic()
        await delivery.aclose()
        assert time.monotonic() - began < 1.0


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Polls until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def numbered(partition: int, number: int, events: int = 10, size: int = 100) -> MadeBatch:
    """Events that say which they are."""
    return make_batch(
        partition,
        [f"{partition}/{number}/{event}/".encode().ljust(size, b".") for event in range(events)],
    )


def read_all(servers: str, topic: str, partitions: int = PARTITIONS) -> list[list[bytes]]:
    """The values of each partition, in order, up to its end."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader"})
    found: list[list[bytes]] = []
    try:
        for partition in range(partitions):
            place = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=20)
            consumer.assign([place])
            values: list[bytes] = []
            deadline = time.monotonic() + 30
            while len(values) < end and time.monotonic() < deadline:
                values += [message.value() or b"" for message in consumer.consume(1000, 0.5)]
            found.append(values)
    finally:
        consumer.close()
    return found


def expected(batches: list[MadeBatch]) -> list[list[bytes]]:
    """What the batches hold, by partition, in the order they were put."""
    found: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for batch in batches:
        text = bytes(batch)
        prefix = f"{batch.partition}/".encode()
        at = text.find(prefix)
        size = text.find(b"..", at) - at
        assert size > 0
        found[batch.partition] += [
            text[start : start + 100] for start in _starts(text, prefix, batch.events)
        ]
    return found


def _starts(text: bytes, prefix: bytes, events: int) -> list[int]:
    starts, at = [], 61
    for _ in range(events):
        at = text.index(prefix, at)
        starts.append(at)
        at += 100
    return starts


def assert_same(found: list[list[bytes]], wanted: list[list[bytes]]) -> None:
    """Equal, or a failure that says how they differ without printing all."""
    for partition, (have, want) in enumerate(zip(found, wanted, strict=True)):
        if have == want:
            continue
        first = next(
            (n for n, pair in enumerate(zip(have, want, strict=False)) if pair[0] != pair[1]),
            min(len(have), len(want)),
        )
        pytest.fail(
            f"partition {partition}: {len(have)} records ({len(set(have))} different), expected"
            f" {len(want)}; first difference at {first}:"
            f" {[each.rstrip(b'.') for each in have[first - 1 : first + 12]]}"
        )


def balanced(counters: DeliveryCounters, put: int) -> bool:
    """Whether every event that was put is in exactly one place."""
    return put == (
        counters.queued_events
        + counters.in_flight_events
        + counters.acknowledged_events
        + sum(counters.failed_events.values())
    )
