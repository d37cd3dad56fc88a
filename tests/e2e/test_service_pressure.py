# SPDX-License-Identifier: Apache-2.0
"""More packets than the memory, the ring or the broker takes: counted, to the last one."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from tests.support import traffic
from tests.support.kafka import start_or_skip
from tests.support.service import Service, service, sum_of
from tests.support.topics import assert_gapless, read_topic

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.netns import VethPair

pytestmark = [pytest.mark.root, pytest.mark.kafka]

FLOOD = 5000
LEAST = {
    "batch.memory_bytes": str(1 << 20),
    "batch.bytes": str(1 << 18),
    "capture.ring_bytes": str(1 << 16),
    "capture.wakeup_bytes": str(1 << 12),
    "shutdown.deadline_s": "2",
}


def lost(running: Service) -> int:
    return sum_of(running.metrics(), "streamer_packets_dropped_total")


def flood_until_lost(veth: VethPair, running: Service) -> int:
    """Send until the memory and the ring are full; how many packets that took."""
    sent = 0
    while not (running.metrics()["streamer_pump_pauses_total",] and lost(running)):
        assert sent < 100 * FLOOD, running.metrics()
        traffic.send_udp(veth, 6000, FLOOD)
        sent += FLOOD
    return sent


def until_arrived(running: Service, count: int) -> None:
    running.until(lambda: running.acknowledged() == count, f"{count} events to arrive")


def test_memory_is_used_up_while_the_broker_is_away(
    veth: VethPair, mortal_kafka: EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    start_or_skip(mortal_kafka)
    mortal_kafka.kill()
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic]
    arguments += ["--kafka", mortal_kafka.bootstrap_servers]
    with service(tmp_path, *arguments, settings=LEAST) as running:
        running.started()
        sent = flood_until_lost(veth, running)
        traffic.send_udp(veth, 6000, FLOOD)  # all of it is lost
        sent += FLOOD
        assert running.end() == 3, running.text
    ledger = running.ledger()
    assert ledger["packets"]["seen"] == sent
    assert ledger["packets"]["dropped"]["ring_full"] == ledger["lost"] > FLOOD
    assert ledger["records"]["acknowledged"] == 0
    assert ledger["lost"] + ledger["undelivered"] == sent
    assert ledger["pump"]["pauses"] > 0
    assert (
        f"{ledger['lost']:,} lost, {ledger['undelivered']:,} left undelivered" in running.said[-1]
    )


def test_it_goes_on_when_the_broker_comes_back(
    veth: VethPair, mortal_kafka: EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    start_or_skip(mortal_kafka)
    mortal_kafka.kill()
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic]
    arguments += ["--kafka", mortal_kafka.bootstrap_servers]
    settings = LEAST | {"shutdown.deadline_s": "10", "stats.interval_s": "0.5"}
    with service(tmp_path, *arguments, settings=settings) as running:
        running.started()
        sent = flood_until_lost(veth, running)
        running.wait_for("events were lost")
        asyncio.run(mortal_kafka.start())
        running.until_ready()
        until_arrived(running, sent - lost(running))
        before = lost(running)
        for _ in range(20):  # slowly: all of it arrives
            traffic.send_udp(veth, 6000, 100)
            sent += 100
            until_arrived(running, sent - before)
        assert running.end() == 3, running.text
    ledger = running.ledger()
    assert ledger["packets"]["seen"] == sent
    assert ledger["undelivered"] == 0
    assert ledger["lost"] == ledger["packets"]["dropped"]["ring_full"] == before
    records = list(itertools.chain(*read_topic(mortal_kafka.bootstrap_servers, topic)))
    assert len(records) == sent - before
    assert_gapless(records)


@pytest.mark.parametrize("hook", ["tc", "xdp", "socket"])
def test_a_burst_into_a_ring_of_64_kib(
    veth: VethPair, kafka: EmbeddedKafka, topic: str, tmp_path: Path, hook: str
) -> None:
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic, "--hook", hook]
    settings = {"capture.ring_bytes": str(1 << 16)}
    with service(
        tmp_path, *arguments, "--kafka", kafka.bootstrap_servers, settings=settings
    ) as running:
        running.started()
        traffic.send_udp(veth, 6000, 8 * FLOOD)
        assert running.end() in (0, 3), running.text
    ledger = running.ledger()
    full = ledger["packets"]["dropped"]["ring_full"]
    assert ledger["packets"]["seen"] == 8 * FLOOD == ledger["records"]["acknowledged"] + full
    assert running.process.returncode == (3 if full else 0)
    records = list(itertools.chain(*read_topic(kafka.bootstrap_servers, topic)))
    assert len(records) == 8 * FLOOD - full
    assert_gapless(records)
