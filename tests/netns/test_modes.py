# SPDX-License-Identifier: Apache-2.0
"""Each way of attaching, on real traffic: every packet counted, every field as tcpdump has it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import traffic, tshark
from tests.support.capturing import Running, capturing, wait_until
from tests.support.packet_event import PacketEvent, decode
from tests.support.tcpdump import tcpdump

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.netns import VethPair

pytestmark = pytest.mark.root

MODES: dict[str, dict[str, Any]] = {
    "tcx": {"hook": "tc", "tc_attach": "tcx"},
    "clsact": {"hook": "tc", "tc_attach": "clsact"},
    "xdp-native": {"hook": "xdp", "xdp_mode": "native"},
    "xdp-generic": {"hook": "xdp", "xdp_mode": "generic"},
    "socket": {"hook": "socket"},
}
modes = pytest.mark.parametrize("mode", MODES)


def mechanism(running: Running) -> str:
    (attachment,) = running.capture.attached
    return attachment.mechanism


def make_traffic(veth: VethPair) -> None:
    """Fill both directions with what a cable can carry."""
    traffic.exchange_udp(veth, 100)
    traffic.exchange_tcp(veth, 50_000)
    traffic.refuse_udp(veth)
    veth.near.run("ping", "-q", "-c", "3", "-i", "0.01", veth.far_ip)
    frames = traffic.tagged_frames(veth.far_mac, veth.near_mac)
    traffic.send_frames(veth.far, "veth0", frames)
    frames = traffic.tagged_frames(veth.near_mac, veth.far_mac)
    traffic.send_frames(veth.near, "veth0", frames)


@modes
async def test_every_packet_and_every_field(veth: VethPair, tmp_path: Path, mode: str) -> None:
    async with capturing(veth.near.path, "veth0", **MODES[mode]) as running:
        directions = {"ingress": "in", "egress": "out"}
        if MODES[mode]["hook"] == "xdp":
            del directions["egress"]
        before = veth.near.counters("veth0")
        with (
            tcpdump(veth.near, "veth0", tmp_path / "ingress", "in") as ingress,
            tcpdump(veth.near, "veth0", tmp_path / "egress", "out") as egress,
        ):
            make_traffic(veth)
            after = veth.near.counters("veth0")
            ingress.wait_for(after["rx_packets"] - before["rx_packets"])
            egress.wait_for(after["tx_packets"] - before["tx_packets"])
        total = await running.finish()

    events = [decode(record) for record in running.records]
    assert total.seen == total.emitted == total.segments == len(events)
    assert all(event.hook == MODES[mode]["hook"] for event in events)
    assert all(event.ifindex == veth.near.index("veth0") for event in events)
    for direction in ("ingress", "egress"):
        seen = [event for event in events if event.direction == direction]
        if direction in directions:
            expected = [reading.fields for reading in tshark.read(tmp_path / direction)]
            assert len(expected) > 100
            assert Counter(event.fields for event in seen) == Counter(expected)
        else:
            assert not seen
    assert_sequences(events)


def assert_sequences(events: list[PacketEvent]) -> None:
    """Each CPU counts its records without a gap, and time does not go back on it."""
    for cpu in {event.cpu for event in events}:
        own = [event for event in events if event.cpu == cpu]
        assert [event.sequence for event in own] == list(range(len(own)))
        assert [e.timestamp_ns for e in own] == sorted(e.timestamp_ns for e in own)


@modes
async def test_a_burst_into_a_small_ring_is_counted(veth: VethPair, mode: str) -> None:
    """sent = emitted + ring_full, and what was emitted is in the ring."""
    sent = 5000
    settings = MODES[mode] | {"ring_bytes": 65536, "wakeup_bytes": 4096, "direction": "ingress"}
    async with capturing(veth.near.path, "veth0", **settings) as running:
        with traffic.udp_pair(veth) as (_, far):
            for _ in range(sent):
                far.send(b"x")
        wait_until(lambda: running.total().seen >= sent, "the packets to be seen")
        total = await running.finish()
    assert total.seen == total.segments == sent
    assert total.ring_full > 0
    assert total.emitted == sent - total.ring_full == len(running.records)


@pytest.mark.parametrize("mode", ["tcx", "clsact", "socket"])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
async def test_one_direction_only(veth: VethPair, mode: str, direction: str) -> None:
    settings = MODES[mode] | {"direction": direction}
    async with capturing(veth.near.path, "veth0", **settings) as running:
        with traffic.udp_pair(veth) as (near, far):
            for _ in range(10):
                near.send(b"out")
            for _ in range(7):
                far.send(b"in")
        total = await running.finish()
    assert total.seen == {"ingress": 7, "egress": 10}[direction]
    assert {decode(record).direction for record in running.records} == {direction}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("tcx", "tcx"),
        ("clsact", "clsact"),
        ("xdp-native", "native"),
        ("xdp-generic", "generic"),
        ("socket", "packet socket"),
    ],
)
async def test_what_is_attached_is_told_and_removed(
    veth: VethPair, mode: str, expected: str
) -> None:
    async with capturing(veth.near.path, "veth0", **MODES[mode]) as running:
        assert mechanism(running) == expected
        assert running.names == [(veth.near.index("veth0"), "veth0")]
    assert "clsact" not in veth.near.run("tc", "qdisc", "show", "dev", "veth0")
    assert "xdp" not in veth.near.run("ip", "link", "show", "veth0")
    assert "streamer" not in veth.near.run("bpftool", "net", "show", check=False)
