# SPDX-License-Identifier: Apache-2.0
"""What is in a topic, read and partitioned by a client that is not ours."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,  # pyright: ignore[reportPrivateImportUsage]
)

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT_S = 20


class Record(NamedTuple):
    """One record, its value read as JSON."""

    partition: int
    key: str | None
    document: dict[str, Any]

    @property
    def identity(self) -> tuple[str, str, int]:
        """What no two records have in common."""
        agent = self.document["agent"]
        return agent["id"], agent["ephemeral_id"], self.document["event"]["sequence"]

    @property
    def flow(self) -> str | None:
        """Its Community ID."""
        found: str | None = self.document.get("network", {}).get("community_id")
        return found


def make_topic(
    servers: str, topic: str, partitions: int, config: dict[str, str] | None = None
) -> None:
    """Create a topic, and wait until it is there."""
    client = AdminClient({"bootstrap.servers": servers})
    (made,) = client.create_topics([NewTopic(topic, partitions, 1, config=config or {})]).values()
    made.result(TIMEOUT_S)


def read_topic(servers: str, topic: str) -> list[list[Record]]:
    """The records of each partition up to its end, in order."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader"})
    try:
        described = consumer.list_topics(topic, TIMEOUT_S).topics[topic]
        places = [TopicPartition(topic, number, 0) for number in sorted(described.partitions)]
        ends = [consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)[1] for place in places]
        consumer.assign(places)
        found: list[list[Record]] = [[] for _ in places]
        deadline = time.monotonic() + TIMEOUT_S
        while any(len(records) < end for records, end in zip(found, ends, strict=True)):
            assert time.monotonic() < deadline, f"{topic}: {[*map(len, found)]} of {ends}"
            messages: list[Any] = consumer.consume(1000, 0.05)
            for message in messages:
                assert message.error() is None
                key, partition = message.key(), message.partition()
                value = json.loads(message.value() or b"")
                found[partition].append(Record(partition, key.decode() if key else None, value))
        return found
    finally:
        consumer.close()


def partitions_of(servers: str, partitions: int, keys: Iterable[str]) -> dict[str, int]:
    """Where librdkafka's version of Java's partitioner sends these keys, by sending them."""
    topic = f"partitioner-{time.monotonic_ns()}"
    make_topic(servers, topic, partitions)
    found: dict[str, int] = {}

    def delivered(error: object, message: Any) -> None:
        assert error is None
        found[message.key().decode()] = message.partition()

    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce(topic, key=key, on_delivery=delivered)
    assert producer.flush(TIMEOUT_S) == 0
    return found


def assert_gapless(records: Iterable[Record]) -> None:
    """Each event once, each run's sequence from 0 without a gap."""
    runs: dict[tuple[str, str], list[int]] = {}
    for record in records:
        agent, ephemeral, sequence = record.identity
        runs.setdefault((agent, ephemeral), []).append(sequence)
    for sequences in runs.values():
        assert sorted(sequences) == list(range(len(sequences)))
