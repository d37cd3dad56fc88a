# SPDX-License-Identifier: Apache-2.0
"""Delivery to a real broker, read back by another client."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,  # pyright: ignore[reportPrivateImportUsage]
)

from streamer.config import KafkaSettings
from streamer.delivery import ConnectionTuple, DeliveryCounters, KafkaDelivery
from tests.support.batches import MadeBatch, make_batch, python_stamp
from tests.support.kafka import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka

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
    delivery = KafkaDelivery(
        kafka, on_connections_changed=on_connections_changed, stamp=python_stamp
    )
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


@asynccontextmanager
async def serving(greeting: bytes, *, stay: bool = False) -> AsyncIterator[str]:
    """A server that says one thing to whoever connects; its address."""
    gone = asyncio.Event()

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        if stay:
            await gone.wait()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        gone.set()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP server answers there, not Kafka"),
        (b"", "closed by the other side"),
        (b"\0\0\0\4xyzw", "not in Kafka's protocol"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not in Kafka's protocol"),
    ],
)
async def test_something_that_is_not_kafka(greeting: bytes, words: str, topic: str) -> None:
    async with serving(greeting) as address, delivering(address, topic) as delivery:
        delivery.put(numbered(0, 0))
        await until(lambda: words in delivery.status, 10)
        assert not await delivery.drain(0.5)


async def test_silent_port(topic: str) -> None:
    async with (
        serving(b"", stay=True) as address,
        delivering(address, topic, request_timeout_ms=500) as delivery,
    ):
        await until(lambda: "no answer in time" in delivery.status, 10)


async def test_unknown_host(topic: str) -> None:
    async with delivering("no-such-host.invalid:9092", topic) as delivery:
        await until(lambda: "name can't be resolved" in delivery.status, 30)


def secure_settings(certificate: Path, **other: Any) -> dict[str, Any]:
    """What a SASL_SSL listener needs."""
    return {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "streamer",
        "sasl_password": PASSWORD,
        "ssl_cafile": certificate / "ca.pem",
        **other,
    }


async def test_tls_and_scram(secure_kafka: EmbeddedKafka, certificate: Path, topic: str) -> None:
    batches = [numbered(number % PARTITIONS, number) for number in range(120)]
    servers = secure_kafka.secure_bootstrap_servers
    async with delivering(servers, topic, **secure_settings(certificate)) as delivery:
        for batch in batches:
            delivery.put(batch)
        assert await delivery.drain(30)
    assert_same(read_all(secure_kafka.bootstrap_servers, topic), expected(batches))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sasl_password": "guessed"}, "authentication failed"),
        ({"sasl_username": "nobody"}, "authentication failed"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "does not take kafka.sasl_mechanism"),
        ({"ssl_cafile": None}, "certificate is not trusted"),
        (
            {"security_protocol": "SASL_PLAINTEXT"},
            "it wants TLS on this port (kafka.security_protocol is SASL_PLAINTEXT",
        ),
    ],
)
async def test_refused_credentials_are_explained(
    secure_kafka: EmbeddedKafka, certificate: Path, topic: str, wrong: dict[str, Any], words: str
) -> None:
    settings = secure_settings(certificate, **wrong)
    async with delivering(secure_kafka.secure_bootstrap_servers, topic, **settings) as delivery:
        await until(lambda: words in delivery.status)
        assert not delivery.ready


async def test_tls_on_a_plain_port_is_explained(
    secure_kafka: EmbeddedKafka, certificate: Path, topic: str
) -> None:
    servers = secure_kafka.bootstrap_servers
    async with delivering(servers, topic, **secure_settings(certificate)) as delivery:
        await until(lambda: "kafka.security_protocol is SASL_SSL" in delivery.status)


async def test_user_without_rights(
    secure_kafka: EmbeddedKafka, certificate: Path, topic: str
) -> None:
    settings = secure_settings(certificate, sasl_username="guest")
    servers = secure_kafka.secure_bootstrap_servers
    async with delivering(servers, topic, **settings) as delivery:
        delivery.put(numbered(0, 0))
        await until(lambda: "authorization_failed" in delivery.status)
        assert not delivery.ready
        assert delivery.counters().queued_events == 10
