# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 -- the names are our own
"""ClickHouse as a consumer of Kafka: foreign records, late, stopped, killed, twice at once."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import (
    ConsumerGroupTopicPartitions,  # pyright: ignore[reportPrivateImportUsage]
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streamer.schema.clickhouse import Layout
from tests.support.clickhouse import count, create, named, produce, refresh, select, wait_for
from tests.support.topics import make_topic

if TYPE_CHECKING:
    from streamer.demo.clickhouse import ClickHouse
    from streamer.demo.kafka import EmbeddedKafka

pytestmark = [pytest.mark.kafka]


def events(first: int, last: int, ephemeral_id: str = "one") -> list[bytes]:
    return [
        json.dumps(
            {
                "@timestamp": f"2026-11-23T10:00:{number % 60:02}.000000001Z",
                "event": {"sequence": number},
                "agent": {"id": "a", "ephemeral_id": ephemeral_id},
                "packet": {"hook": "tc", "length": 60},
            }
        ).encode()
        for number in range(first, last)
    ]


@pytest.fixture
def layout(kafka: EmbeddedKafka, database: str) -> Layout:
    return Layout(database=database, broker=kafka.bootstrap_servers)


async def test_late_and_among_foreign_records(
    kafka: EmbeddedKafka, clickhouse: ClickHouse, layout: Layout, topic: str
) -> None:
    """All of it was there before the tables."""
    make_topic(kafka.bootstrap_servers, topic, 1)
    good, foreign = events(0, 3), [b"<xml/>", b"\x00\x01\xff", b'{"name":"another program"}']
    mixed = [record for pair in zip(good, foreign, strict=True) for record in pair]
    produce(kafka.bootstrap_servers, topic, mixed)
    await create(clickhouse, layout, named(topic))
    await wait_for(clickhouse, layout.name("packets"), 3)
    await wait_for(clickhouse, layout.name("packets_rejected"), 3)
    rows = await select(
        clickhouse,
        "SELECT topic, partition, offset, reason, hex(record) AS record"
        f" FROM {layout.name('packets_rejected')} ORDER BY offset",
    )
    assert [bytes.fromhex(row.pop("record")) for row in rows] == foreign
    place = {"topic": topic, "partition": 0}
    assert rows == [
        place | {"offset": 1, "reason": "not JSON"},
        place | {"offset": 3, "reason": "not JSON"},
        place | {"offset": 5, "reason": "@timestamp is missing"},
    ]


async def test_stopped_started_and_given_the_same_offsets_again(
    kafka: EmbeddedKafka, mortal_clickhouse: ClickHouse, layout: Layout, topic: str
) -> None:
    servers, group = kafka.bootstrap_servers, layout.group("packets")
    make_topic(servers, topic, 1)
    produce(servers, topic, events(0, 500))
    await mortal_clickhouse.start()
    await create(mortal_clickhouse, layout, named(topic))
    await wait_for(mortal_clickhouse, layout.name("packets"), 500)
    await mortal_clickhouse.stop()

    produce(servers, topic, events(500, 700))
    await mortal_clickhouse.start()
    await wait_for(mortal_clickhouse, layout.name("packets"), 700)
    await refresh(mortal_clickhouse, layout)
    await mortal_clickhouse.stop()

    rewind(servers, group, topic, 100)
    produce(servers, topic, events(700, 800))
    await mortal_clickhouse.start()
    await wait_for(mortal_clickhouse, layout.name("packets"), 800)
    await wait_until_committed(servers, group, topic, 800)
    assert await count(mortal_clickhouse, layout.name("packets")) == 800
    await refresh(mortal_clickhouse, layout)
    for table in ("packets_by_minute", "packets_by_hour"):
        (row,) = await select(
            mortal_clickhouse, f"SELECT sum(packets) AS n FROM {layout.name(table)} FINAL"
        )
        assert row["n"] == 800


@pytest.mark.slow  # Kafka gives a killed consumer's partitions away after 45 s
async def test_killed(
    kafka: EmbeddedKafka, mortal_clickhouse: ClickHouse, layout: Layout, topic: str
) -> None:
    make_topic(kafka.bootstrap_servers, topic, 1)
    produce(kafka.bootstrap_servers, topic, events(0, 500))
    await mortal_clickhouse.start()
    await create(mortal_clickhouse, layout, named(topic))
    await wait_for(mortal_clickhouse, layout.name("packets"), 500)
    mortal_clickhouse.kill()
    produce(kafka.bootstrap_servers, topic, events(500, 700))
    await mortal_clickhouse.start()
    await wait_for(mortal_clickhouse, layout.name("packets"), 700, 90)


async def test_two_at_once_share_the_partitions(
    kafka: EmbeddedKafka,
    clickhouse: ClickHouse,
    mortal_clickhouse: ClickHouse,
    layout: Layout,
    topic: str,
) -> None:
    """Each event in one of them."""
    servers, table = kafka.bootstrap_servers, layout.name("packets")
    make_topic(servers, topic, 2)
    await mortal_clickhouse.start()
    both = (clickhouse, mortal_clickhouse)
    for server in both:
        await create(server, layout, named(topic))
    deadline = time.monotonic() + 60
    sent, halves = 0, [0, 0]
    while not all(halves):  # until the group has settled
        assert time.monotonic() < deadline, halves
        for partition in (0, 1):
            produce(servers, topic, events(sent, sent + 10), partition)
            sent += 10
        await asyncio.sleep(0.5)
        halves = [await count(server, table) for server in both]
    while sum(halves) < sent:
        assert time.monotonic() < deadline, halves
        await asyncio.sleep(0.1)
        halves = [await count(server, table) for server in both]
    found: list[int] = []
    for server in both:
        rows = await select(server, f"SELECT event_sequence AS number FROM {table} FINAL")
        found += [row["number"] for row in rows]
    assert sorted(set(found)) == list(range(sent))
    await clickhouse.query(f"DROP TABLE {table}_kafka")  # leaves the group


def rewind(servers: str, group: str, topic: str, offset: int) -> None:
    """As an operator does who wants everything again."""
    places = [TopicPartition(topic, 0, offset)]
    request = ConsumerGroupTopicPartitions(group, places)
    client = AdminClient({"bootstrap.servers": servers})  # kept until it has answered
    (done,) = client.alter_consumer_group_offsets([request]).values()
    done.result(30)


async def wait_until_committed(servers: str, group: str, topic: str, offset: int) -> None:
    request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    client = AdminClient({"bootstrap.servers": servers})
    deadline = time.monotonic() + 30
    while True:
        (answer,) = client.list_consumer_group_offsets([request]).values()
        committed = answer.result(30).topic_partitions[0].offset
        if committed >= offset:
            return
        assert time.monotonic() < deadline, committed
        await asyncio.sleep(0.1)
