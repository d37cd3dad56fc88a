# SPDX-License-Identifier: Apache-2.0
"""Super-packets: their wire packets and wire bytes, against the queueing discipline's counters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import traffic
from tests.support.capturing import capturing
from tests.support.packet_event import decode
from tests.support.requirements import require

if TYPE_CHECKING:
    from tests.support.netns import Namespace, VethPair

pytestmark = pytest.mark.root

UPLOAD_BYTES = 3_000_000


def count_wire_packets(namespace: Namespace) -> None:
    """Give the device a queueing discipline: it counts what a super-packet becomes."""
    namespace.run("tc", "qdisc", "replace", "dev", "veth0", "root", "handle", "1:", "pfifo")


def wire_packets(namespace: Namespace) -> tuple[int, int]:
    """Wire packets and bytes sent, by the kernel's own account."""
    listing = json.loads(namespace.run("tc", "-s", "-j", "qdisc", "show", "dev", "veth0"))
    (root,) = [entry for entry in listing if entry["kind"] == "pfifo"]
    assert root["drops"] == 0
    return root["packets"], root["bytes"]


@pytest.mark.parametrize("tc_attach", ["tcx", "clsact"])
async def test_an_upload_by_tc(veth_with_offloads: VethPair, tc_attach: str) -> None:
    """Egress at the near end and ingress at it, each against the sender's discipline."""
    veth = veth_with_offloads
    for end in (veth.near, veth.far):
        count_wire_packets(end)
    async with capturing(veth.near.path, "veth0", hook="tc", tc_attach=tc_attach) as running:
        traffic.exchange_tcp(veth, UPLOAD_BYTES)
        with traffic.tcp_connection(veth.far, veth.near, veth.near_ip) as (client, server):
            traffic.upload(client, server, UPLOAD_BYTES)
        expected = {"egress": wire_packets(veth.near), "ingress": wire_packets(veth.far)}
        total = await running.finish()
        events = [decode(record) for record in running.records]
    require(any(event.segments > 1 for event in events), "no super-packets on this machine")
    for direction, (packets, wire_bytes) in expected.items():
        seen = [event for event in events if event.direction == direction]
        assert sum(event.segments for event in seen) == packets
        assert sum(event.fields.length for event in seen) == wire_bytes
        assert len(seen) < packets
    assert total.seen == total.emitted == len(events)
    assert total.segments == sum(event.segments for event in events)


async def test_an_upload_into_a_socket_filter(veth_with_offloads: VethPair) -> None:
    veth = veth_with_offloads
    count_wire_packets(veth.far)
    async with capturing(veth.near.path, "veth0", hook="socket", direction="ingress") as running:
        with traffic.tcp_connection(veth.far, veth.near, veth.near_ip) as (client, server):
            traffic.upload(client, server, UPLOAD_BYTES)
        packets, wire_bytes = wire_packets(veth.far)
        await running.finish()
        events = [decode(record) for record in running.records]
    assert sum(event.segments for event in events) == packets
    assert sum(event.fields.length for event in events) == wire_bytes


async def test_an_upload_by_generic_xdp_keeps_its_bytes(veth_with_offloads: VethPair) -> None:
    """Generic XDP cannot tell segments: every frame it sees is one packet, and is emitted."""
    veth = veth_with_offloads
    before = veth.near.counters("veth0")
    settings = {"hook": "xdp", "xdp_mode": "generic"}
    async with capturing(veth.near.path, "veth0", **settings) as running:
        with traffic.tcp_connection(veth.far, veth.near, veth.near_ip) as (client, server):
            traffic.upload(client, server, UPLOAD_BYTES)
        after = veth.near.counters("veth0")
        total = await running.finish()
        events = [decode(record) for record in running.records]
    assert total.seen == total.emitted == after["rx_packets"] - before["rx_packets"]
    frames = sum(event.fields.length for event in events)
    assert frames == after["rx_bytes"] - before["rx_bytes"]
