# SPDX-License-Identifier: Apache-2.0
"""Capturing the very interface the events leave by: an idle host falls silent."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import TYPE_CHECKING, Any

import pytest

from streamer.demo.kafka import EmbeddedKafka
from streamer.errors import StreamerError
from tests.support import traffic
from tests.support.netns import require_namespaces, veth_pair
from tests.support.requirements import require
from tests.support.service import Service, service, sum_of
from tests.support.topics import read_topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.netns import VethPair

pytestmark = [pytest.mark.root, pytest.mark.kafka]

IPV6_PORT = 19096
MODES: dict[str, dict[str, str]] = {
    "tcx": {"capture.hook": "tc", "capture.tc_attach": "tcx"},
    "clsact": {"capture.hook": "tc", "capture.tc_attach": "clsact"},
    "xdp": {"capture.hook": "xdp", "capture.xdp_mode": "generic"},
    "socket": {"capture.hook": "socket"},
}


class RemoteKafka(EmbeddedKafka):
    """A broker at the far end of a cable, with a second listener on IPv6 loopback."""

    def __init__(self, folder: Path, pair: VethPair) -> None:
        super().__init__(folder, address=pair.far_ip)
        self._pair = pair

    def launch(self) -> None:
        """Start it; its namespace is inherited by what is started meanwhile."""
        with self._pair.far.entered():
            asyncio.run(self.start())

    def _server_properties(self) -> str:
        text = super()._server_properties()
        for key, value in (
            ("listeners", f"SIX://[::1]:{IPV6_PORT}"),
            ("listener.security.protocol.map", "SIX:PLAINTEXT"),
        ):
            text = text.replace(f"\n{key}=", f"\n{key}={value},")
        return text


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VethPair, RemoteKafka]]:
    require_namespaces()
    with veth_pair(prefix="e2e") as pair:
        pair.far.run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0")
        broker = RemoteKafka(tmp_path_factory.mktemp("remote-kafka"), pair)
        try:
            broker.launch()
        except StreamerError as error:
            require(False, f"no Kafka broker: {error} ({error.hint})")
        try:
            yield pair, broker
        finally:
            broker.kill()


def packets(running: Service) -> tuple[int, int]:
    """How many became events, how many were our own."""
    metrics = running.metrics()
    return (
        sum_of(metrics, "streamer_packets_emitted_total"),
        sum_of(metrics, "streamer_packets_filtered_total"),
    )


def until_own_packets(running: Service, count: int) -> None:
    """Until so many more of our own were left out."""
    _, before = packets(running)
    running.until(lambda: packets(running)[1] >= before + count, f"{count} own packets")


def read(pair: VethPair, servers: str, topic: str) -> list[dict[str, Any]]:
    with pair.far.entered():  # the reader's threads stay there
        return [record.document for record in itertools.chain(*read_topic(servers, topic))]


@pytest.mark.parametrize("mode", MODES)
def test_an_idle_host_is_silent(
    remote: tuple[VethPair, RemoteKafka], topic: str, tmp_path: Path, mode: str
) -> None:
    pair, broker = remote
    arguments = ["-i", "veth0", "--kafka", broker.bootstrap_servers, "--topic", topic]
    settings = MODES[mode] | {"stats.interval_s": "0.1", "kafka.stats_topic": f"{topic}.stats"}
    with service(tmp_path, *arguments, inside=pair.near, settings=settings) as running:
        running.started()
        running.until_ready()
        until_own_packets(running, 40)  # many records of statistics later
        assert packets(running)[0] == 0
        traffic.send_udp(pair, 6000, 10)
        until_own_packets(running, 40)
        assert packets(running)[0] == 10
        assert running.end() == 0, running.text
    ledger = running.ledger()
    assert ledger["packets"]["emitted"] == ledger["records"]["acknowledged"] == 10
    events = read(pair, broker.bootstrap_servers, topic)
    assert [event["destination"]["port"] for event in events] == [6000] * 10


def test_others_who_talk_to_the_same_broker_are_seen(
    remote: tuple[VethPair, RemoteKafka], topic: str, tmp_path: Path
) -> None:
    pair, broker = remote
    host, port = broker.bootstrap_servers.split(":")
    arguments = ["-i", "veth0", "--kafka", broker.bootstrap_servers, "--topic", topic]
    with service(tmp_path, *arguments, inside=pair.near) as running:
        running.started()
        running.until_ready()
        with pair.near.entered():
            other = socket.create_connection((host, int(port)))
        ours = other.getsockname()[1]
        other.close()
        running.until(lambda: packets(running)[0] >= 6, "the other connection's packets")
        assert running.end() == 0, running.text
    events = read(pair, broker.bootstrap_servers, topic)
    assert len(events) >= 6
    ports = {frozenset((e["source"]["port"], e["destination"]["port"])) for e in events}
    assert ports == {frozenset((ours, int(port)))}


def test_connections_that_fail_and_come_back_are_ours_too(
    remote: tuple[VethPair, RemoteKafka], topic: str, tmp_path: Path
) -> None:
    pair, broker = remote
    arguments = ["-i", "veth0", "--kafka", broker.bootstrap_servers, "--topic", topic]
    settings = {"stats.interval_s": "0.1", "kafka.stats_topic": f"{topic}.stats"}
    with service(tmp_path, *arguments, inside=pair.near, settings=settings) as running:
        running.started()
        running.until_ready()
        broker.kill()
        until_own_packets(running, 12)  # SYN and RST, some times
        assert not running.readiness()[0]
        broker.launch()
        running.until_ready()
        until_own_packets(running, 20)
        assert packets(running)[0] == 0
        assert running.end() == 0, running.text
    assert running.ledger()["packets"]["emitted"] == 0


def test_loopback_and_ipv6(
    remote: tuple[VethPair, RemoteKafka], topic: str, tmp_path: Path
) -> None:
    """Loopback carries others as well, the broker's own controller among them."""
    pair, broker = remote
    arguments = ["-i", "lo", "--kafka", f"[::1]:{IPV6_PORT}", "--topic", topic]
    settings = {"stats.interval_s": "0.1", "kafka.stats_topic": f"{topic}.stats"}
    with service(tmp_path, *arguments, inside=pair.far, settings=settings) as running:
        running.started()
        running.until_ready()
        until_own_packets(running, 40)
        running.until(lambda: packets(running)[0] > 0, "the neighbours' packets")
        assert running.end() == 0, running.text
    events = read(pair, broker.bootstrap_servers, topic)
    assert len(events) == running.ledger()["packets"]["emitted"]
    ports = {event[end].get("port") for event in events for end in ("source", "destination")}
    assert IPV6_PORT not in ports
    assert running.port in ports
