# SPDX-License-Identifier: Apache-2.0
"""100,000 events from a capture file, through Kafka and rsyslog, found in Elasticsearch."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

import communityid
import pytest

from tests.support import capture_files
from tests.support.search import Ingest, until

if TYPE_CHECKING:
    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.elasticsearch import Elasticsearch

pytestmark = [pytest.mark.kafka, pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]

EVENTS = 100_000
FLOWS = 3_000
START_NS = 1_795_428_600_123_456_789
GAP_NS = 1_000_003
ETHERNET = bytes.fromhex("020000000002 020000000001")


class Flow(NamedTuple):
    """Addresses and ports of a TCP connection."""

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    source_port: int
    destination_port: int

    @property
    def community_id(self) -> str:
        tcp = communityid.FlowTuple.make_tcp(
            str(self.source), str(self.destination), self.source_port, self.destination_port
        )
        return str(communityid.CommunityID().calc(tcp))

    def frame(self, sequence: int) -> bytes:
        """One segment without payload."""
        ports = struct.pack(">HH", self.source_port, self.destination_port)
        tcp = ports + struct.pack(">IIBBHHH", sequence, 0, 5 << 4, 0x10, 502, 0, 0)
        if self.source.version == 4:
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, sequence & 0xFFFF, 0, 64, 6, 0)
            ether_type = b"\x08\x00"
        else:
            ip = struct.pack(">IHBB", 6 << 28, 20, 6, 64)
            ether_type = b"\x86\xdd"
        return ETHERNET + ether_type + ip + self.source.packed + self.destination.packed + tcp


def make_flows() -> list[Flow]:
    """A fifth of them IPv6."""
    random_ = random.Random(1)

    def address(network: str) -> IPv4Address | IPv6Address:
        within = ip_network(network)
        return within[random_.randrange(1, within.num_addresses - 1)]

    return [
        Flow(
            address("2001:db8::/36" if number % 5 == 0 else "10.0.0.0/8"),
            address("2001:db8:f000::/48" if number % 5 == 0 else "192.0.2.0/24"),
            random_.randrange(32768, 61000),
            random_.choice((22, 53, 80, 443)),
        )
        for number in range(FLOWS)
    ]


class Loaded(NamedTuple):
    """The events in Elasticsearch, and the packets they were made from."""

    ingest: Ingest
    packets: list[Flow]


@pytest.fixture(scope="module")
def loaded(
    kafka: EmbeddedKafka,
    search_server: Elasticsearch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Loaded:
    """`streamer replay` sends the packets of a file, and rsyslog brings them into a stream."""
    folder = tmp_path_factory.mktemp("search")
    flows, random_ = make_flows(), random.Random(2)
    packets = [random_.choice(flows) for _ in range(EVENTS)]
    frames = [packet.frame(number) for number, packet in enumerate(packets)]
    capture = folder / "capture.pcap"
    times = range(START_NS, START_NS + EVENTS * GAP_NS, GAP_NS)
    capture.write_bytes(
        capture_files.pcap(
            [(time, len(frame), frame) for time, frame in zip(times, frames, strict=True)],
            nanoseconds=True,
        )
    )
    ingest = Ingest(kafka, search_server, folder)
    to_kafka = ("--kafka", kafka.bootstrap_servers, "--topic", ingest.topic)
    command = [sys.executable, "-m", "streamer", "replay", str(capture), *to_kafka]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with ingest.running() as rsyslog:
        ingest.wait_for(EVENTS, timeout_s=120)
        assert rsyslog.aside() == []
    return Loaded(ingest, packets)


def test_every_event_is_found_once(loaded: Loaded, search_server: Elasticsearch) -> None:
    stream = loaded.ingest.stream
    answer = search_server.search(
        stream,
        size=0,
        aggs={
            "runs": {"terms": {"field": "agent.ephemeral_id"}},
            "least": {"min": {"field": "event.sequence"}},
            "most": {"max": {"field": "event.sequence"}},
        },
    )
    found = answer["aggregations"]
    assert answer["hits"]["total"]["value"] == EVENTS
    assert [run["doc_count"] for run in found["runs"]["buckets"]] == [EVENTS]
    assert (found["least"]["value"], found["most"]["value"]) == (0, EVENTS - 1)
    hit = search_server.search(stream, {"term": {"event.sequence": 4711}})["hits"]["hits"][0]
    agent = hit["_source"]["agent"]
    assert hit["_id"] == f"{agent['id']}:{agent['ephemeral_id']}:4711"


def test_the_same_offsets_again_add_nothing(loaded: Loaded) -> None:
    with loaded.ingest.running(group="again") as rsyslog:
        until(lambda: rsyslog.count("omelasticsearch", "response.duplicate") == EVENTS, 120)
        assert rsyslog.aside() == []
    assert loaded.ingest.found() == EVENTS


@pytest.mark.parametrize("network", ["10.64.0.0/10", "192.0.2.128/25", "2001:db8:800::/37"])
def test_by_network(loaded: Loaded, search_server: Elasticsearch, network: str) -> None:
    within = ip_network(network)
    for name in ("source", "destination"):
        expected = sum(getattr(packet, name) in within for packet in loaded.packets)
        query = {"term": {f"{name}.ip": network}}
        assert search_server.count(loaded.ingest.stream, query) == expected
    assert any(p.source in within or p.destination in within for p in loaded.packets)


def test_by_address_port_and_flow(loaded: Loaded, search_server: Elasticsearch) -> None:
    (flow, count), *_ = Counter(loaded.packets).most_common(1)
    queries: dict[str, tuple[Any, int]] = {
        "source.ip": (str(flow.source), sum(p.source == flow.source for p in loaded.packets)),
        "destination.port": (53, sum(p.destination_port == 53 for p in loaded.packets)),
        "network.community_id": (flow.community_id, count),
    }
    for name, (value, expected) in queries.items():
        assert expected > 0
        found = search_server.count(loaded.ingest.stream, {"term": {name: value}})
        assert found == expected, name


def test_by_time_to_the_nanosecond(loaded: Loaded, search_server: Elasticsearch) -> None:
    def between(first_ns: int, last_ns: int) -> int:
        span = {"gte": written(first_ns), "lte": written(last_ns)}
        return search_server.count(loaded.ingest.stream, {"range": {"@timestamp": span}})

    time_ns = START_NS + 1000 * GAP_NS
    assert between(time_ns, time_ns) == 1
    assert between(time_ns + 1, time_ns + GAP_NS - 1) == 0
    assert between(time_ns, time_ns + 1000 * GAP_NS - 1) == 1000


def written(time_ns: int) -> str:
    """As a query writes it."""
    seconds, rest = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
