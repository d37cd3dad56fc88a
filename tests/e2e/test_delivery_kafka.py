# SPDX-License-Identifier: Apache-2.0
"""Delivery to a real broker, read back by another client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
    NewTopic,  # pyright: ignore[reportPrivateImportUsage]
)

from tests.support.delivering import (
    PARTITIONS,
    assert_same,
    balanced,
    delivering,
    expected,
    numbered,
    read_all,
    until,
)

if TYPE_CHECKING:
    from streamer.delivery import ConnectionTuple
    from streamer.demo.kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka


async def test_all_arrive_in_order(kafka: EmbeddedKafka, topic: str) -> None:
    tuples: list[frozenset[ConnectionTuple]] = []
    batches = [numbered(number % PARTITIONS, number) for number in range(600)]
    async with delivering(kafka.bootstrap_servers, topic, tuples.append) as delivery:
        for batch in batches:
            delivery.put(batch)
            if batch.events % 7 == 0:
                await asyncio.sleep(0)
        assert balanced(delivery.counters(), 6000)
        assert await delivery.drain(30)
        assert await delivery.partitions() == PARTITIONS
        assert delivery.ready
        assert "delivering" in delivery.status
        counters = delivery.counters()
        live = {
            (each.remote_address, each.remote_port) for each in tuples[-1] if each.local_port > 0
        }
        host, port = kafka.bootstrap_servers.split(":")
        assert live == {(host, int(port))}
    assert counters.acknowledged_events == 6000
    assert counters.acknowledged_batches == 600
    assert counters.retries == 0
    assert counters.requests < 600  # several partitions travel in one request
    assert all(batch.released == 1 for batch in batches)
    assert_same(read_all(kafka.bootstrap_servers, topic), expected(batches))


async def test_a_topic_of_ours_keeps_what_comes_late(kafka: EmbeddedKafka, topic: str) -> None:
    async with delivering(kafka.bootstrap_servers, topic) as delivery:
        await until(lambda: delivery.ready)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    configuration = admin.describe_configs([resource])[resource].result(20)
    assert configuration["message.timestamp.type"].value == "LogAppendTime"


async def test_killed_broker_loses_and_doubles_nothing(
    mortal_kafka: EmbeddedKafka, topic: str
) -> None:
    await mortal_kafka.start()
    batches = [numbered(number % PARTITIONS, number) for number in range(1500)]

    async with delivering(mortal_kafka.bootstrap_servers, topic) as delivery:

        async def put_all() -> None:
            for number, batch in enumerate(batches):
                delivery.put(batch)
                if number % 3 == 2:
                    await asyncio.sleep(0.004)

        putting = asyncio.create_task(put_all())
        await until(lambda: delivery.counters().acknowledged_events > 2000)
        mortal_kafka.kill()
        await until(lambda: not delivery.ready, 10)
        assert "can't be used: connection refused" in delivery.status
        await putting
        assert balanced(delivery.counters(), 15000)
        assert delivery.counters().queued_events > 0
        await mortal_kafka.start()
        assert await delivery.drain(60)
        assert delivery.ready
        counters = delivery.counters()
    assert counters.acknowledged_events == 15000
    assert counters.new_epochs == 0
    assert_same(read_all(mortal_kafka.bootstrap_servers, topic), expected(batches))


async def test_broker_absent_at_the_start(mortal_kafka: EmbeddedKafka, topic: str) -> None:
    await mortal_kafka.start()
    mortal_kafka.kill()
    batches = [numbered(number % PARTITIONS, number) for number in range(30)]
    async with delivering(mortal_kafka.bootstrap_servers, topic) as delivery:
        assert not delivery.ready
        for batch in batches:
            delivery.put(batch)
        await until(lambda: "connection refused" in delivery.status)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(delivery.partitions(), 0.1)
        await mortal_kafka.start()
        assert await delivery.drain(30)
    assert_same(read_all(mortal_kafka.bootstrap_servers, topic), expected(batches))


async def test_frozen_broker(mortal_kafka: EmbeddedKafka, topic: str) -> None:
    await mortal_kafka.start()
    batches = [numbered(number % PARTITIONS, number) for number in range(90)]
    async with delivering(mortal_kafka.bootstrap_servers, topic) as delivery:
        for batch in batches[:45]:
            delivery.put(batch)
        assert await delivery.drain(20)
        mortal_kafka.pause()
        for batch in batches[45:]:
            delivery.put(batch)
        assert not await delivery.drain(1)
        await until(lambda: "no answer in time" in delivery.status, 20)
        mortal_kafka.resume()
        assert await delivery.drain(30)
        assert delivery.counters().acknowledged_events == 900
    assert_same(read_all(mortal_kafka.bootstrap_servers, topic), expected(batches))


async def test_close_with_a_frozen_broker_is_quick(mortal_kafka: EmbeddedKafka, topic: str) -> None:
    await mortal_kafka.start()
    batches = [numbered(0, number) for number in range(20)]
    async with delivering(mortal_kafka.bootstrap_servers, topic) as delivery:
        await delivery.partitions()
        mortal_kafka.pause()
        for batch in batches:
            delivery.put(batch)
        assert not await delivery.drain(0.5)
    counters = delivery.counters()
    assert counters.undelivered_events == 200
    assert balanced(counters, 200)
    assert all(batch.released == 1 for batch in batches)
    assert delivery.status == "closed"


async def test_a_batch_that_is_too_large_fails_alone(kafka: EmbeddedKafka, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    small = NewTopic(topic, PARTITIONS, 1, config={"max.message.bytes": "10000"})
    admin.create_topics([small])[topic].result(20)
    batches = [numbered(number % PARTITIONS, number) for number in range(300)]
    large = [numbered(0, 1000 + number, events=200) for number in range(3)]
    everything = batches[:100] + large[:1] + batches[100:200] + large[1:] + batches[200:]
    async with delivering(kafka.bootstrap_servers, topic) as delivery:
        for batch in everything:
            delivery.put(batch)
        assert await delivery.drain(30)
        counters = delivery.counters()
    assert counters.failed_events == {"message_too_large": 600}
    assert counters.failed_batches == {"message_too_large": 3}
    assert counters.acknowledged_events == 3000
    assert counters.new_epochs >= 1
    assert all(batch.released == 1 for batch in everything)
    assert_same(read_all(kafka.bootstrap_servers, topic), expected(batches))


async def test_existing_topics_partitions_are_used(kafka: EmbeddedKafka, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(20)
    batches = [numbered(number % PARTITIONS, number) for number in range(60)]
    async with delivering(kafka.bootstrap_servers, topic) as delivery:
        assert await delivery.partitions() == 2
        for batch in batches:
            delivery.put(batch)
        assert await delivery.drain(30)
    first, second = read_all(kafka.bootstrap_servers, topic, 2)
    by_lane = expected(batches)
    assert second == by_lane[1]
    assert sorted(first) == sorted(by_lane[0] + by_lane[2])
    assert [value for value in first if value.startswith(b"2/")] == by_lane[2]


async def test_topic_deleted_and_made_anew(kafka: EmbeddedKafka, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    async with delivering(kafka.bootstrap_servers, topic) as delivery:
        delivery.put(numbered(0, 0))
        assert await delivery.drain(30)
        admin.delete_topics([topic])[topic].result(20)
        second = [numbered(number % PARTITIONS, number) for number in range(30)]
        for batch in second:
            delivery.put(batch)
        assert await delivery.drain(30)
        assert delivery.counters().acknowledged_events == 310
    assert_same(read_all(kafka.bootstrap_servers, topic), expected(second))


async def test_absent_topic_that_may_not_be_created(kafka: EmbeddedKafka, topic: str) -> None:
    async with delivering(kafka.bootstrap_servers, topic, create_topics=False) as delivery:
        delivery.put(numbered(0, 0))
        await until(lambda: "does not exist (kafka.create_topics is off)" in delivery.status)
        assert not delivery.ready
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
        assert await delivery.drain(20)
        assert delivery.ready


async def test_records_of_another_topic(kafka: EmbeddedKafka, topic: str) -> None:
    async with delivering(kafka.bootstrap_servers, topic) as delivery:
        for number in range(5):
            delivery.send_record(f"{topic}.stats", b"agent", b"%d" % number)
        delivery.put(numbered(1, 1))
        assert await delivery.drain(30)
        assert delivery.record_counters().acknowledged_events == 5
        assert delivery.counters().acknowledged_events == 10
    found = read_all(kafka.bootstrap_servers, f"{topic}.stats")
    assert sorted(found, key=len) == [[], [], [b"0", b"1", b"2", b"3", b"4"]]


async def test_waiting_records_are_bounded(topic: str) -> None:
    async with delivering("127.0.0.1:1", topic) as delivery:
        for number in range(250):
            delivery.send_record("stats", None, b"%d" % number)
        counters = delivery.record_counters()
        assert counters.queued_events == 100
        assert counters.failed_events == {"outdated": 150}
