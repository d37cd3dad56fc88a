# SPDX-License-Identifier: Apache-2.0
"""Interfaces that join, leave and are renamed under a running service: every packet arrives."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support import traffic
from tests.support.netns import namespaces, plug, require_namespaces
from tests.support.service import Service, service, sum_of
from tests.support.topics import assert_gapless, read_topic

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka

pytestmark = [pytest.mark.root, pytest.mark.kafka]


def encoded(running: Service, count: int) -> None:
    """Wait until so many events are made: an interface's name is what it is at that moment."""
    running.until(
        lambda: sum_of(running.metrics(), "streamer_records_encoded_total") == count,
        f"{count} events",
    )


def told(running: Service, message: str, **values: str) -> None:
    """Wait for this message of the log."""
    running.until(
        lambda: any(
            entry["message"] == message and values.items() <= entry.items()
            for entry in running.logged()
        ),
        f"{message} {values}",
    )


@pytest.mark.parametrize("hook", ["tc", "xdp", "socket"])
def test_interfaces_come_and_go(
    kafka: EmbeddedKafka, topic: str, tmp_path: Path, hook: str
) -> None:
    require_namespaces()
    with namespaces("near", "far", prefix="e2e") as (near, far):
        arguments = ["-i", "wan*", "--netns", str(near.path), "--hook", hook, "--topic", topic]
        with service(tmp_path, *arguments, "--kafka", kafka.bootstrap_servers) as running:
            assert "no interface yet" in running.started()
            assert running.readiness()[1]["capture"] == "no interface is attached"
            wan0 = plug(near, far, "wan0", 1)
            told(running, "interface joined", interface="wan0")
            running.until_ready()
            traffic.send_udp(wan0, 6000, 3)

            wan1 = plug(near, far, "wan1", 2)
            lan0 = plug(near, far, "lan0", 3)
            told(running, "interface joined", interface="wan1")
            traffic.send_udp(wan1, 6000, 4)
            traffic.send_udp(lan0, 6000, 100)  # no pattern asks for it

            encoded(running, 3 + 4)
            near.ip("link set wan1 name wan7")
            told(running, "interface renamed", old="wan1", new="wan7")
            traffic.send_udp(wan1, 6000, 5)

            encoded(running, 3 + 4 + 5)
            near.ip("link set wan7 name other0")  # stays, under whatever name
            told(running, "interface renamed", old="wan7", new="other0")
            traffic.send_udp(wan1, 6000, 6)

            near.ip("link set lan0 name wan9")  # now a pattern does
            told(running, "interface joined", interface="wan9")
            traffic.send_udp(lan0, 6000, 7)

            near.ip("link del wan0")
            told(running, "interface disappeared", interface="wan0")
            again = plug(near, far, "wan0", 1)
            running.until(lambda: said(running, "wan0") == 2, "wan0 to join again")
            traffic.send_udp(again, 6000, 8)
            assert running.end() == 0, running.text
    assert running.ledger()["packets"]["seen"] == 33
    records = list(itertools.chain(*read_topic(kafka.bootstrap_servers, topic)))
    assert_gapless(records)
    names = Counter(
        record.document["observer"]["ingress"]["interface"]["name"] for record in records
    )
    assert names == {"wan0": 3 + 8, "wan1": 4, "wan7": 5, "other0": 6, "wan9": 7}


def said(running: Service, interface: str) -> int:
    """How often it joined."""
    return sum(
        entry["message"] == "interface joined" and entry["interface"] == interface
        for entry in running.logged()
    )


def test_a_packet_on_two_interfaces_is_two_events(
    kafka: EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    """A bridge and its port both carry it."""
    require_namespaces()
    with namespaces("near", "far", prefix="e2e") as (near, far):
        pair = plug(near, far, "port0", 1)
        near.ip(f"link add br0 address {pair.near_mac} type bridge mcast_snooping 0")
        near.ip(f"address del {pair.near_ip}/24 dev port0")
        near.ip("link set port0 master br0")
        near.ip(f"address add {pair.near_ip}/24 dev br0")
        near.ip("link set br0 up")
        near.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        arguments = ["-i", "port0", "-i", "br0", "--netns", str(near.path), "--topic", topic]
        options = ["--direction", "ingress", "--kafka", kafka.bootstrap_servers]
        with service(tmp_path, *arguments, *options) as running:
            running.started()
            traffic.send_udp(pair, 6000, 10)
            assert running.end() == 0, running.text
    records = list(itertools.chain(*read_topic(kafka.bootstrap_servers, topic)))
    names = Counter(
        record.document["observer"]["ingress"]["interface"]["name"]
        for record in records
        if record.document["destination"].get("port") == 6000
    )
    assert names == {"port0": 10, "br0": 10}
