# SPDX-License-Identifier: Apache-2.0
"""Events read from a real Kafka: each processed at least once, losses and nonsense counted."""

from __future__ import annotations

import asyncio
import sys
import time
import tracemalloc
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from streamer.config import KafkaSettings
from streamer.consume import Events, Packet, Rejected, Tables, packets
from streamer.errors import ReadError, UsageError
from tests.support.delivering import until
from tests.support.kafka import PASSWORD
from tests.support.producing import BEGINNING, document, produce, text
from tests.support.topics import make_topic

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka
PARTITIONS = 3
DAY = timedelta(days=1)


def numbered(first: int, last: int, run: str = "run") -> list[tuple[int, bytes | None]]:
    """The events `first` to before `last`, spread over the partitions."""
    return [(number % PARTITIONS, text(document(number, run))) for number in range(first, last)]


@pytest.fixture
def servers(kafka: EmbeddedKafka, topic: str) -> str:
    """A broker that has the test's topic."""
    make_topic(kafka.bootstrap_servers, topic, PARTITIONS)
    return kafka.bootstrap_servers


async def take(events: Events[Packet], count: int, timeout_s: float = 20.0) -> list[int]:
    """The sequences of the next events."""
    taken: list[int] = []
    async with asyncio.timeout(timeout_s):
        while len(taken) < count:
            taken.append((await anext(events)).event.sequence)
    return taken


async def nothing_more(events: Events[Packet] | Tables[Packet]) -> bool:
    """Whether no event comes for longer than a fetch takes."""
    with suppress(TimeoutError):
        await asyncio.wait_for(anext(events), 1.0)
        return False
    return True


async def test_typed_events_from_the_start(servers: str, topic: str) -> None:
    produce(servers, topic, numbered(0, 3000))
    async with packets(servers, topic=topic, start="start") as events:
        taken = []
        async with asyncio.timeout(20):
            async for event in events:
                assert event.source.port == 49152
                assert event.packet.tcp.flags == ("psh", "ack")
                assert event.event.category == ("network",)
                taken.append(event.event.sequence)
                if len(taken) == 3000:
                    break
        assert sorted(taken) == list(range(3000))
        for partition in range(PARTITIONS):  # in order within a partition
            mine = [number for number in taken if number % PARTITIONS == partition]
            assert mine == sorted(mine)
    assert (events.missing, events.duplicates, events.expired) == (0, 0, 0)
    assert not events.rejected


async def test_from_now_and_from_a_time(servers: str, topic: str) -> None:
    # The time that counts is Kafka's own of the record, here the producer's.
    produce(servers, topic, numbered(0, 30))
    async with packets(servers, topic=topic) as events:
        produce(servers, topic, numbered(30, 60))
        assert sorted(await take(events, 30)) == list(range(30, 60))
        assert events.missing == 0  # what came before was not asked for
    async with packets(servers, topic=topic, start=BEGINNING) as events:
        assert sorted(await take(events, 60)) == list(range(60))
    future = BEGINNING + 3650 * DAY
    async with packets(servers, topic=topic, start=future) as events:
        assert await nothing_more(events)
        produce(servers, topic, numbered(60, 63))
        assert sorted(await take(events, 3)) == [60, 61, 62]
    with pytest.raises(UsageError, match="no brokers"):
        packets("broker 1:9092")
    with pytest.raises(UsageError, match="time zone"):
        packets(servers, start=BEGINNING.replace(tzinfo=None))


async def test_duplicates_are_left_out_and_gaps_counted(servers: str, topic: str) -> None:
    sent = numbered(0, 300)
    del sent[200:210]
    produce(servers, topic, [*sent, *sent[50:60], *numbered(0, 5, "other")])
    async with packets(servers, topic=topic, start="start") as events:
        assert len(set(await take(events, 295))) == 290
        assert await nothing_more(events)
        assert (events.missing, events.duplicates) == (10, 10)


async def test_a_filter(servers: str, topic: str) -> None:
    produce(servers, topic, numbered(0, 300))
    where = "@timestamp >= 2026-11-23T10:00:00.2Z and port == 443"
    async with packets(servers, topic=topic, start="start", where=where) as events:
        assert sorted(await take(events, 100)) == list(range(200, 300))
        assert events.missing == 0
    with pytest.raises(UsageError, match="no field 'prot'"):
        packets(servers, where="prot == 443")


async def test_foreign_and_broken_records_are_put_aside(servers: str, topic: str) -> None:
    good = text(document(0))
    bad = {
        b"": "not JSON",
        b"\xff\xfe": "not JSON",
        b'{"@timestamp": "2026': "not JSON",
        good[:-1]: "not JSON",
        good + good: "not JSON",
        b'{"deep":' + b"[" * 100_000: "not JSON",
        b"{}": "not an event",
        b"[]": "not an event",
        b'"text"': "not an event",
        b"null": "not an event",
        good.replace(b"192.0.2.1", b"192.0.2.1.5"): "not an event",
        good.replace(b"443", b"70000"): "not an event",
        good.replace(b'"tc"', b'"\xff"'): "not JSON",
        None: "empty",
    }
    aside: list[Rejected] = []
    produce(servers, topic, [(0, value) for value in bad] + [(0, good)])
    options = {"topic": topic, "start": "start", "on_rejected": aside.append}
    async with packets(servers, **options) as events:  # type: ignore[arg-type]
        assert await take(events, 1) == [0]
    assert {each.value: each.reason for each in aside} == bad
    assert [each.offset for each in aside] == list(range(len(bad)))
    assert sum(events.rejected.values()) == len(bad)
    assert "$.source" in next(each.detail for each in aside if b".1.5" in (each.value or b""))


async def test_a_group_goes_on_where_it_was(servers: str, topic: str) -> None:
    """What was given and not followed by a question for more is given again."""
    produce(servers, topic, numbered(0, 300))
    first: list[int] = []

    async def fail_at_the_hundredth() -> None:
        async with packets(servers, topic=topic, group=topic, start="start") as events:
            first.extend(await take(events, 100))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_at_the_hundredth()
    async with packets(servers, topic=topic, group=topic) as events:
        second = await take(events, 50)
        assert not set(first[:-1]) & set(second)
    # left without an exception: the fiftieth counts as processed
    async with packets(servers, topic=topic, group=topic) as events:
        third = await take(events, 151)
        assert await nothing_more(events)
    assert sorted(first[:-1] + second + third) == list(range(300))


async def test_a_group_that_saw_nothing_keeps_its_place(servers: str, topic: str) -> None:
    """From now means from the first time it was there, and not from its restart."""
    produce(servers, topic, numbered(0, 30))
    async with packets(servers, topic=topic, group=topic) as events:
        assert await nothing_more(events)
    produce(servers, topic, numbered(30, 60))
    async with packets(servers, topic=topic, group=topic) as events:
        assert sorted(await take(events, 30)) == list(range(30, 60))


WORKER = """
import asyncio, sys
from streamer.consume import packets

async def main(servers, topic):
    given = 0
    async with packets(servers, topic=topic, group=topic, start="start") as events:
        async for event in events:
            given += 1
            if given % 100 == 0:
                await events.commit()
            print(event.event.sequence, flush=True)
            if given == 450:
                await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_killed_in_the_middle_loses_nothing(servers: str, topic: str) -> None:
    produce(servers, topic, numbered(0, 900))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, servers, topic, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    printed: list[int] = []
    async with asyncio.timeout(30):
        while len(printed) < 450:
            printed.append(int(await worker.stdout.readline()))
    worker.kill()
    await worker.wait()
    # Kafka gives the dead member's partitions away when its session has run out (ten seconds).
    async with packets(servers, topic=topic, group=topic) as events:
        rest = set(range(900)) - set(printed)
        again: set[int] = set()
        async with asyncio.timeout(40):
            while rest - again:
                again.add((await anext(events)).event.sequence)
    assert printed[-1] in again  # it was in the worker's hands
    assert not again & set(printed[:399])  # what it had processed and committed


async def test_members_of_a_group_share_the_partitions(servers: str, topic: str) -> None:
    async with packets(servers, topic=topic, group=topic, start="start") as alone:
        assert await nothing_more(alone)
        assert alone.missing == 0
        produce(servers, topic, numbered(0, 300))
        mine = await take(alone, 100)
        async with packets(servers, topic=topic, group=topic) as joined:
            theirs: list[int] = []
            produce(servers, topic, numbered(300, 600))

            async def collect(events: Events[Packet], into: list[int]) -> None:
                while True:
                    into += await take(events, 1, timeout_s=60)

            both = [
                asyncio.create_task(collect(alone, mine)),
                asyncio.create_task(collect(joined, theirs)),
            ]
            await until(lambda: set(mine) | set(theirs) == set(range(600)), 40)
            assert [alone.missing, joined.missing] == [None, None]  # neither sees all
            for task in both:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    assert theirs
    # At least once: only what was in a hand when the partitions were dealt anew came twice.
    assert len(mine) + len(theirs) <= 600 + 2


async def test_a_slow_reader_holds_up_kafka_and_not_memory(servers: str, topic: str) -> None:
    wide = [(n % PARTITIONS, text(document(n, host={"name": "x" * 2000}))) for n in range(20_000)]
    produce(servers, topic, wide)  # some 50 MB
    async with packets(servers, topic=topic, start="start") as events:
        tracemalloc.start()
        await take(events, 10)
        for _ in range(20):  # time for the fetcher to run ahead, if it did
            await asyncio.sleep(0.05)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert used < 16 << 20
        assert len(await take(events, 19_990)) == 19_990


async def test_a_broker_that_restarts_is_waited_for(mortal_kafka: EmbeddedKafka) -> None:
    await mortal_kafka.start()
    servers = mortal_kafka.bootstrap_servers
    make_topic(servers, "t", PARTITIONS)
    produce(servers, "t", numbered(0, 300))
    settings = KafkaSettings(bootstrap_servers=servers, request_timeout_ms=2000)
    async with packets(settings, topic="t", group="g", start="start") as events:
        taken = await take(events, 150)
        mortal_kafka.kill()
        taken += await take(events, 150)  # were fetched before
        await mortal_kafka.start()
        produce(servers, "t", numbered(300, 600))
        taken += await take(events, 300, timeout_s=60)
        assert sorted(set(taken)) == list(range(600))
        mortal_kafka.kill()
        began = time.monotonic()
    assert time.monotonic() - began < 10  # leaving does not wait for it


async def test_records_that_expired_are_counted(
    servers: str, kafka: EmbeddedKafka, topic: str
) -> None:
    produce(servers, topic, numbered(0, 300))
    async with packets(servers, topic=topic, group=topic, start="start") as events:
        await take(events, 30)
    delete_before(servers, topic, 90)
    async with packets(servers, topic=topic, group=topic) as events:
        taken = await take(events, 30)
        assert min(taken) >= 270
        assert events.expired == 3 * 90 - 30


def delete_before(servers: str, topic: str, offset: int) -> None:
    """What retention does to old records, done at once."""
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": servers})
    places = [TopicPartition(topic, partition, offset) for partition in range(PARTITIONS)]
    for done in client.delete_records(places).values():
        done.result(20)


async def test_new_partitions_are_read(
    servers: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from confluent_kafka.admin import (
        AdminClient,
        NewPartitions,  # pyright: ignore[reportPrivateImportUsage]
    )

    monkeypatch.setattr("streamer.consume.reader.METADATA_MAX_AGE_MS", 500)
    produce(servers, topic, numbered(0, 3))
    async with packets(servers, topic=topic) as events:
        client = AdminClient({"bootstrap.servers": servers})
        for done in client.create_partitions([NewPartitions(topic, PARTITIONS + 1)]).values():
            done.result(20)
        produce(servers, topic, [(3, text(document(3))), (0, text(document(4)))])
        assert sorted(await take(events, 2)) == [3, 4]


async def test_tables(servers: str, topic: str) -> None:
    produce(servers, topic, numbered(0, 3000))
    source = packets(servers, topic=topic, group=topic, start="start", where="port == 443")
    sequences: list[int] = []

    async def fail_at_the_third() -> None:
        async with source.tables(rows=700, wait_s=0.5) as tables:
            for _ in range(3):
                table = await asyncio.wait_for(anext(tables), 20)
                assert table.schema == tables.schema
                assert table.num_rows == 700
                sequences.extend(table["event_sequence"].to_pylist())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_at_the_third()
    del sequences[1400:]  # the third was in hand: it comes again
    async with source.tables(rows=10_000, wait_s=0.5) as tables:
        while len(sequences) < 3000:
            table = await asyncio.wait_for(anext(tables), 20)
            sequences += table["event_sequence"].to_pylist()
        assert await nothing_more(tables)
        assert (tables.missing, tables.duplicates) == (0, 0)
    assert sorted(sequences) == list(range(3000))


# ---------------------------------------------------------------- what can't be read
async def test_no_broker(unused_tcp_port: int) -> None:
    with pytest.raises(ReadError, match=f"127.0.0.1:{unused_tcp_port} can't be used: connection"):
        async with packets(f"127.0.0.1:{unused_tcp_port}"):
            pass


async def test_no_topic(kafka: EmbeddedKafka, topic: str) -> None:
    with pytest.raises(ReadError, match=f"there is no topic {topic}"):
        async with packets(kafka.bootstrap_servers, topic=topic):
            pass


async def test_with_tls_and_a_password(
    secure_kafka: EmbeddedKafka, certificate: Path, topic: str
) -> None:
    make_topic(secure_kafka.bootstrap_servers, topic, PARTITIONS)
    produce(secure_kafka.bootstrap_servers, topic, numbered(0, 30))

    def settings(**changes: object) -> KafkaSettings:
        given = {
            "bootstrap_servers": secure_kafka.secure_bootstrap_servers,
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "streamer",
            "sasl_password": PASSWORD,
            "ssl_cafile": certificate / "ca.pem",
        }
        return KafkaSettings.model_validate(given | changes)

    async with packets(settings(), topic=topic, group=topic, start="start") as events:
        assert sorted(await take(events, 30)) == list(range(30))
    for changes, said in (
        ({"sasl_password": "wrong"}, "authentication failed"),
        ({"ssl_cafile": None}, "not trusted"),
        ({"sasl_username": "guest"}, f"no topic {topic}|not allowed to read topic {topic}"),
    ):
        with pytest.raises(ReadError, match=said):
            async with packets(settings(**changes), topic=topic):
                pass
