# SPDX-License-Identifier: Apache-2.0
"""`streamer run`, real traffic, a real broker: every packet counted, every event read back."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from streamer.schema import TOPICS
from streamer.schema.json_schema import json_schema
from tests.support import traffic
from tests.support.service import service
from tests.support.topics import (
    Record,
    assert_gapless,
    make_topic,
    partitions_of,
    read_topic,
)

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.netns import VethPair

pytestmark = [pytest.mark.root, pytest.mark.kafka]

MODES: dict[str, dict[str, str]] = {
    "tcx": {"capture.hook": "tc", "capture.tc_attach": "tcx"},
    "clsact": {"capture.hook": "tc", "capture.tc_attach": "clsact"},
    "xdp-native": {"capture.hook": "xdp", "capture.xdp_mode": "native"},
    "xdp-generic": {"capture.hook": "xdp", "capture.xdp_mode": "generic"},
    "socket": {"capture.hook": "socket"},
}
BURST = 1200
PING_COUNT = 5


def burst(pair: VethPair, port: int) -> list[int]:
    """One datagram of each size from the far end, in order: sent from one CPU, as it is kept."""
    sizes = list(range(BURST))
    with pair.far.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pair.near.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    with sender, receiver:
        receiver.bind((pair.near_ip, port))
        sender.connect((pair.near_ip, port))
        try:
            for size in sizes:
                sender.send(bytes(size))
        finally:
            os.sched_setaffinity(0, before)
    return sizes


def by_flow(records: list[Record]) -> dict[str, list[Record]]:
    flows: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.flow is not None:
            flows[record.flow].append(record)
    return flows


def validator(topic: str) -> Any:
    closed = json_schema(TOPICS[topic], closed=True)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(closed, format_checker=checker)


@pytest.mark.parametrize("mode", MODES)
def test_packets_sent_are_events_acknowledged(
    veth: VethPair, kafka: EmbeddedKafka, topic: str, tmp_path: Path, mode: str
) -> None:
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic]
    settings = MODES[mode] | {
        "kafka.stats_topic": f"{topic}.stats",
        "stats.interval_s": "0.5",
    }
    with service(
        tmp_path, *arguments, "--kafka", kafka.bootstrap_servers, settings=settings
    ) as running:
        start_line = running.started()
        before = veth.near.counters("veth0")
        sizes = {port: burst(veth, port) for port in (6001, 6002)}
        traffic.exchange_tcp(veth, 300_000)
        veth.near.run("ping", "-q", "-c", str(PING_COUNT), "-i", "0.01", veth.far_ip)
        after = veth.near.counters("veth0")
        assert running.end() == 0, running.text
        ledger = running.ledger()
    sent = {"ingress": after["rx_packets"] - before["rx_packets"]}
    if mode.startswith("xdp"):
        assert "ingress;" in start_line
    else:
        sent["egress"] = after["tx_packets"] - before["tx_packets"]
    hook = MODES[mode]["capture.hook"]

    # The kernel's own count of what passed, the hooks' count, the broker's acknowledgements.
    for direction, packets in sent.items():
        assert ledger["packets"]["hooks"][hook][direction]["seen"] == packets
    assert sum(sent.values()) == ledger["packets"]["seen"] == ledger["records"]["acknowledged"]
    assert sent["ingress"] > 2 * BURST + PING_COUNT
    assert ledger["lost"] == ledger["undelivered"] == 0

    # What an independent reader finds.
    partitions = read_topic(kafka.bootstrap_servers, topic)
    records = list(itertools.chain(*partitions))
    assert len(records) == ledger["records"]["acknowledged"]
    assert_gapless(records)
    assert len({record.identity[:2] for record in records}) == 1
    for partition in partitions:
        sequences = [record.identity[2] for record in partition]
        assert sequences == sorted(sequences)
    assert {record.document["packet"]["hook"] for record in records} == {hook}
    assert [record.key for record in records] == [record.flow for record in records]
    flows = by_flow(records)
    places = partitions_of(kafka.bootstrap_servers, len(partitions), flows)
    for flow, members in flows.items():
        assert {record.partition for record in members} == {places[flow]}
    for port, sent_sizes in sizes.items():
        found = [
            record.document["packet"]["payload_length"]
            for record in itertools.chain(*partitions)
            if record.document["destination"].get("port") == port
        ]
        assert found == sent_sizes
    schema = validator("packets.v1")
    for record in records[:: max(1, len(records) // 200)]:
        schema.validate(record.document)


def test_statistics_arrive_and_end_with_the_closing_ledger(
    veth: VethPair, kafka: EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic]
    settings = {"kafka.stats_topic": f"{topic}.stats", "stats.interval_s": "0.3"}
    with service(
        tmp_path, *arguments, "--kafka", kafka.bootstrap_servers, settings=settings
    ) as running:
        running.started()
        running.until_ready()
        traffic.exchange_udp(veth, 50)
        time.sleep(1.5)  # some intervals
        traffic.exchange_udp(veth, 50)
        assert running.end() == 0, running.text
        ledger = running.ledger()
    records = list(itertools.chain(*read_topic(kafka.bootstrap_servers, f"{topic}.stats")))
    schema = validator("stats.v1")
    for record in records:
        schema.validate(record.document)
    assert_gapless(records)
    times = [datetime.fromisoformat(record.document["@timestamp"][:26]) for record in records]
    assert times == sorted(times)
    steps = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    assert len(steps) >= 3
    assert all(step > 0.28 for step in steps[:-1])  # the last one is the end's
    acknowledged = [record.document["ledger"]["records"]["acknowledged"] for record in records]
    assert acknowledged == sorted(acknowledged)
    assert records[-1].document["ledger"] == ledger


@pytest.mark.parametrize("partitions", [1, 7])
def test_a_topic_that_is_there_keeps_its_partitions(
    veth: VethPair, kafka: EmbeddedKafka, topic: str, tmp_path: Path, partitions: int
) -> None:
    make_topic(kafka.bootstrap_servers, topic, partitions)
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic]
    with service(tmp_path, *arguments, "--kafka", kafka.bootstrap_servers) as running:
        running.started()
        for port in range(7000, 7040):
            traffic.send_udp(veth, port)
        assert running.end() == 0, running.text
        assert not running.logged()
    found = read_topic(kafka.bootstrap_servers, topic)
    assert len(found) == partitions
    flows = by_flow(list(itertools.chain(*found)))
    assert len(flows) == 40
    places = partitions_of(kafka.bootstrap_servers, partitions, flows)
    for flow, members in flows.items():
        assert {record.partition for record in members} == {places[flow]}
    assert set(places.values()) == set(range(partitions))
