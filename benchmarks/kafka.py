# SPDX-License-Identifier: Apache-2.0
"""The part of the pipeline behind the sealed batch, on a real broker."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streamer.config import KafkaSettings
from streamer.delivery.kafka import KafkaDelivery
from streamer.demo.kafka import EmbeddedKafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.naive import NaiveEncoder
    from hotpath.sealed_batch import SealedBatch

PARTITIONS = 3


@contextmanager
def broker(address: str | None, folder: Path) -> Iterator[str]:
    """The broker at this address, or one of our own."""
    if address is not None:
        yield address
        return
    embedded = EmbeddedKafka(folder / "kafka")
    try:
        asyncio.run(embedded.start())
        yield embedded.bootstrap_servers
    finally:
        embedded.kill()


async def new_topic(bootstrap_servers: str) -> str:
    topic = f"benchmark-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    finally:
        await admin.close()
    return topic


async def naive_to_kafka(
    bootstrap_servers: str, naive: NaiveEncoder, records: list[bytes]
) -> float:
    """CPU nanoseconds per event of encoding and sending, a call for each."""
    topic = await new_topic(bootstrap_servers)
    # Without compression: aiokafka's own LZ4 would make it slower still.
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=20
    )
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"warm-up")
        start_ns = time.process_time_ns()
        pending = []
        for sequence, record in enumerate(records):
            key, document = naive.encode(record, 0, sequence)
            pending.append(await producer.send(topic, document, key=key))
        await asyncio.gather(*pending)
        return (time.process_time_ns() - start_ns) / len(records)
    finally:
        await producer.stop()


async def streamer_to_kafka(bootstrap_servers: str, batches: list[SealedBatch]) -> float:
    """CPU nanoseconds per event of stamping, sending and awaiting the acknowledgements."""
    topic = await new_topic(bootstrap_servers)
    events = sum(batch.events for batch in batches)
    delivery = KafkaDelivery(KafkaSettings(bootstrap_servers=bootstrap_servers, topic=topic))
    await delivery.start()
    try:
        async with asyncio.timeout(30):
            await delivery.partitions()
        start_ns = time.process_time_ns()
        for batch in batches:
            delivery.put(batch)
        assert await delivery.drain(60)
        elapsed_ns = time.process_time_ns() - start_ns
        assert delivery.counters().acknowledged_events == events
        return elapsed_ns / events
    finally:
        await delivery.aclose()
