# SPDX-License-Identifier: Apache-2.0
"""The sender against brokers that answer as a test wants."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from hotpath.record_batch import stamp
from streamer.config import KafkaSettings
from streamer.delivery import sender as sender_module
from streamer.delivery.cluster import Layout, TopicLayout
from streamer.delivery.explain import ClusterError
from streamer.delivery.health import Health
from streamer.delivery.produce import PartitionAnswer
from streamer.delivery.sender import Lane, Sender
from tests.support.batches import make_batch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

OK, NOT_LEADER, NOT_ENOUGH_REPLICAS, NOT_AUTHORISED = 0, 6, 19, 29
OUT_OF_ORDER, UNKNOWN_PRODUCER_ID = 45, 59
TOPIC = "packets"


class Broker:
    """A connection whose answers are scripted by partition; without a script it says yes."""

    def __init__(self) -> None:
        self.requests_in_flight = 0
        self.requests: list[dict[int, bytes]] = []
        self.script: dict[int, list[int]] = {}
        self.held: list[Callable[[], None]] | None = None

    def produce(self, topics: dict[str, list[tuple[int, bytes, int]]]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.requests_in_flight += 1
        self.requests.append({partition: bytes(data) for partition, data, _ in topics[TOPIC]})
        answers = []
        for partition, _, _ in topics[TOPIC]:
            codes = self.script.get(partition)
            answers.append(PartitionAnswer(TOPIC, partition, codes.pop(0) if codes else OK, None))

        def answer() -> None:
            self.requests_in_flight -= 1
            future.set_result(answers)

        if self.held is None:
            asyncio.get_running_loop().call_soon(answer)
        else:
            self.held.append(answer)
        return future


class Cluster:
    """Brokers by number, and who leads what."""

    def __init__(self, leaders: dict[int, int]) -> None:
        self.brokers = {node_id: Broker() for node_id in set(leaders.values())}
        self.dead: set[int] = set()
        self.lead(leaders)

    def lead(self, leaders: dict[int, int]) -> None:
        addresses = {node_id: ("broker", node_id) for node_id in self.brokers}
        self.layout = Layout(addresses, 1, {TOPIC: TopicLayout(0, leaders)})

    def connection(self, node_id: int) -> Broker | None:
        return None if node_id in self.dead else self.brokers[node_id]

    async def connect(self, node_id: int) -> Broker:
        raise ClusterError(f"Kafka at broker:{node_id} can't be used: connection refused")


@asynccontextmanager
async def sending(
    leaders: dict[int, int], **settings: Any
) -> AsyncIterator[tuple[Sender, Any, Health, list[str]]]:
    """A sender that runs, its cluster, its health, and the refreshes it asked for."""
    cluster: Any = Cluster(leaders)
    health = Health()
    refreshes: list[str] = []
    sender = Sender(
        cluster, health, KafkaSettings(**settings), stamp, lambda: refreshes.append("refresh")
    )
    for index in range(len(leaders)):
        lane = Lane(TOPIC, index)
        lane.line.identify(index + 1)
        sender.lanes.append(lane)
    task = asyncio.create_task(sender.run())
    try:
        yield sender, cluster, health, refreshes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sender.aclose()


def put(sender: Sender, index: int, count: int = 1, size: int = 10) -> None:
    lane = next(each for each in sender.lanes if each.index == index)
    for _ in range(count):
        lane.line.put(make_batch(index, [b"x" * size]))
    sender.wake()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


def acknowledged(sender: Sender) -> int:
    return sum(lane.line.counters().acknowledged_events for lane in sender.lanes)


async def test_one_request_carries_a_batch_of_each_partition_of_a_leader() -> None:
    async with sending({0: 1, 1: 1, 2: 2}) as (sender, cluster, _, _):
        for index in range(3):
            put(sender, index)
        await until(lambda: acknowledged(sender) == 3)
        assert [sorted(request) for request in cluster.brokers[1].requests] == [[0, 1]]
        assert [sorted(request) for request in cluster.brokers[2].requests] == [[2]]


async def test_at_most_five_requests_wait_for_answers() -> None:
    async with sending({0: 1}) as (sender, cluster, _, _):
        put(sender, 0)
        await until(lambda: acknowledged(sender) == 1)
        broker = cluster.brokers[1]
        broker.held = []
        put(sender, 0, 9)
        await until(lambda: broker.requests_in_flight == 5)
        held, broker.held = broker.held, None
        for answer in held:
            answer()
        await until(lambda: acknowledged(sender) == 10)


async def test_bytes_in_flight_are_bounded_but_one_batch_always_goes() -> None:
    async with sending({0: 1, 1: 1}, max_in_flight_bytes=65536) as (sender, cluster, _, _):
        broker = cluster.brokers[1]
        broker.held = []
        put(sender, 0, size=100_000)
        put(sender, 1, size=100_000)
        await until(lambda: broker.requests_in_flight == 1)
        await asyncio.sleep(0.02)
        assert [len(request) for request in broker.requests] == [1]
        held, broker.held = broker.held, None
        held[0]()
        await until(lambda: acknowledged(sender) == 2)


async def test_a_new_leader_gets_what_the_old_one_refused() -> None:
    async with sending({0: 1, 1: 2}) as (sender, cluster, health, refreshes):
        cluster.brokers[1].script[0] = [NOT_LEADER] * 99
        put(sender, 0, 3)
        await until(lambda: bool(refreshes))
        cluster.lead({0: 2, 1: 2})
        sender.wake()
        await until(lambda: acknowledged(sender) == 3)
        assert cluster.brokers[2].requests[0] == cluster.brokers[1].requests[0]
        assert health


async def test_a_new_leader_waits_for_the_old_ones_answers() -> None:
    async with sending({0: 1, 1: 2}) as (sender, cluster, _, _):
        put(sender, 0)
        await until(lambda: acknowledged(sender) == 1)
        old, new = cluster.brokers[1], cluster.brokers[2]
        old.held = []
        put(sender, 0)
        await until(lambda: old.requests_in_flight == 1)
        cluster.lead({0: 2, 1: 2})
        put(sender, 0)
        await asyncio.sleep(0.02)
        assert new.requests == []
        old.held[0]()
        await until(lambda: acknowledged(sender) == 3)
        assert len(new.requests) == 1


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (NOT_ENOUGH_REPLICAS, "not_enough_replicas"),
        (NOT_AUTHORISED, "topic_authorization_failed"),
    ],
)
async def test_a_refusal_that_lasts_is_said_and_its_end_too(
    code: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "TELL_AFTER_S", 0.2)
    monkeypatch.setattr(sender_module, "FORBIDDEN_DELAY_S", 0.2)
    async with sending({0: 1}) as (sender, cluster, health, _):
        cluster.brokers[1].script[0] = [code] * 3
        put(sender, 0, 2)
        await until(lambda: health.trouble_of(TOPIC) is not None)
        assert health.trouble_of(TOPIC) == f"Kafka does not take {TOPIC} now: {name}"
        assert health.trouble_of("another") is None
        await until(lambda: acknowledged(sender) == 2)
        assert health
        assert len(set(map(str, cluster.brokers[1].requests[:3]))) == 1  # the same bytes each time


async def test_a_leader_that_is_away_alone_is_named() -> None:
    async with sending({0: 1, 1: 2}) as (sender, cluster, health, refreshes):
        cluster.dead.add(2)
        put(sender, 0)
        put(sender, 1)
        await until(lambda: bool(refreshes) and acknowledged(sender) == 1)
        sender.tell_unreachable()
        assert health.trouble == "Kafka at broker:2 can't be used: connection refused"
        cluster.lead({0: 1, 1: 1})
        sender.wake()
        await until(lambda: acknowledged(sender) == 2)
        assert health


async def test_a_fault_of_ours_is_logged_and_survived(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "LONGEST_DELAY_S", 0.05)
    async with sending({0: 1}) as (sender, cluster, _, _):
        layout, cluster.layout = cluster.layout, "nonsense"
        put(sender, 0)
        await until(lambda: "sending failed unexpectedly" in caplog.text)
        cluster.layout = layout
        await until(lambda: acknowledged(sender) == 1)


async def test_a_malformed_batch_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with sending({0: 1}) as (sender, _, _, _):
        put(sender, 0)
        sender.lanes[0].line.put(Malformed())
        put(sender, 0)
        await until(lambda: acknowledged(sender) == 2)
        assert sender.lanes[0].line.counters().failed_events == {"malformed_batch": 7}
    assert "a batch of 7 events is malformed" in caplog.text


class Malformed(bytearray):
    """Bytes that are no batch."""

    events = 7

    def release(self) -> None:
        """Nothing to give back."""


@pytest.mark.parametrize("code", [UNKNOWN_PRODUCER_ID, OUT_OF_ORDER])
async def test_a_line_without_producer_asks_for_one(code: int) -> None:
    async with sending({0: 1}) as (sender, cluster, _, refreshes):
        cluster.brokers[1].script[0] = [code]
        put(sender, 0)
        line = sender.lanes[0].line
        await until(lambda: bool(refreshes) and line.identity is None)
        line.identify(77)
        sender.wake()
        await until(lambda: acknowledged(sender) == 1)
