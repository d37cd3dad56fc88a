# SPDX-License-Identifier: Apache-2.0
"""Devices without a link layer, and tags that are beside the bytes at egress."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import struct
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pybpf import Object, attach_tcx
from tests.support import traffic, tshark
from tests.support.capturing import capturing
from tests.support.netns import namespaces, require_namespaces
from tests.support.packet_event import decode
from tests.support.tcpdump import tcpdump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.netns import Namespace, VethPair

pytestmark = pytest.mark.root

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x1, 0x1000

PUSH_TAG = """
SEC("tc")
int push_tag(struct __sk_buff *skb)
{
    bpf_skb_vlan_push(skb, 0x0081 /* 802.1Q in network order */, 0x6123);
    return -1;
}
"""


@contextmanager
def tun_device(namespace: Namespace) -> Iterator[int]:
    """A device without a link layer; what is written to the descriptor comes in at it."""
    with namespace.entered():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
        except BaseException:
            os.close(descriptor)
            raise
    try:
        namespace.ip("address add 10.78.0.1/24 dev tun0")
        namespace.run("sysctl", "-qw", "net.ipv6.conf.tun0.disable_ipv6=0")
        namespace.ip("-6 address add 2001:db8::1/64 dev tun0 nodad")
        namespace.ip("link set tun0 up")
        yield descriptor
    finally:
        os.close(descriptor)


def incoming_packets() -> list[bytes]:
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

    there = {"src": "10.78.0.2", "dst": "10.78.0.1"}
    there6 = {"src": "2001:db8::2", "dst": "2001:db8::1"}
    packets = [
        IP(**there, id=1) / UDP(sport=53, dport=999) / b"no one listens",
        IP(**there, id=2) / ICMP() / b"echo",
        IP(**there, id=3) / TCP(sport=80, dport=999, flags="S"),
        IPv6(**there6) / UDP(sport=53, dport=999) / b"no one listens",
        IPv6(**there6) / ICMPv6EchoRequest() / b"echo",
    ]
    return [bytes(packet) for packet in packets]


@pytest.mark.parametrize(
    "settings",
    [
        {"hook": "tc", "tc_attach": "tcx"},
        {"hook": "tc", "tc_attach": "clsact"},
        {"hook": "xdp", "xdp_mode": "generic"},
        {"hook": "socket"},
    ],
    ids=["tcx", "clsact", "xdp", "socket"],
)
async def test_a_tun_device(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Packets in by the descriptor, and the kernel's own answers out."""
    require_namespaces()
    with namespaces("tun") as (namespace,), tun_device(namespace) as descriptor:
        async with capturing(namespace.path, "tun0", **settings) as running:
            with tcpdump(
                namespace, "tun0", tmp_path / "capture", expression="not ip6 multicast"
            ) as witness:
                packets = incoming_packets()
                for packet in packets:
                    os.write(descriptor, packet)
                witness.wait_for(2 * len(packets))  # each is answered
                total = await running.finish()
    events = [decode(record) for record in running.records]
    assert total.seen == total.emitted == len(events)
    # IPv6 speaks unasked: router solicitations and multicast reports.
    events = [event for event in events if not multicast(event.fields.destination_ip)]
    theirs = Counter(reading.fields for reading in tshark.read(tmp_path / "capture"))
    if settings["hook"] == "xdp":  # sees no answers
        assert {event.direction for event in events} == {"ingress"}
        assert len(events) == len(packets)
        assert not Counter(event.fields for event in events) - theirs
        return
    assert Counter(event.fields for event in events) == theirs
    directions = Counter(event.direction for event in events)
    assert directions == {"ingress": len(packets), "egress": len(packets)}


def multicast(address: str | None) -> bool:
    return address is not None and ipaddress.ip_address(address).is_multicast


@pytest.mark.parametrize("tc_attach", ["tcx", "clsact"])
@pytest.mark.parametrize("tagged_before", [False, True])
async def test_a_tag_pushed_before_egress(
    veth: VethPair,
    tmp_path: Path,
    compile_bpf: Callable[[str, str], Path],
    tc_attach: str,
    tagged_before: bool,
) -> None:
    """Another program's tag is beside the bytes: it is read, and counts in the length."""
    with Object.open(compile_bpf("push", PUSH_TAG)) as pushing:
        pushing.load()
        with veth.near.entered():
            ifindex = veth.near.index("veth0")
            link = attach_tcx(pushing.programs["push_tag"], ifindex, "egress")
        with link:
            async with capturing(
                veth.near.path, "veth0", hook="tc", tc_attach=tc_attach, direction="egress"
            ) as running:
                with tcpdump(veth.far, "veth0", tmp_path / "capture", "in") as witness:
                    if tagged_before:
                        frames = traffic.tagged_frames(veth.near_mac, veth.far_mac)[:1]
                        traffic.send_frames(veth.near, "veth0", frames)
                        sent = 1
                    else:
                        with traffic.udp_pair(veth) as (near, _):
                            for size in (0, 100, 1000):
                                near.send(bytes(size))
                        sent = 3
                    witness.wait_for(sent)
                await running.finish()
    events = [decode(record) for record in running.records]
    theirs = [reading.fields for reading in tshark.read(tmp_path / "capture")]
    assert [event.fields for event in events] == theirs
    assert {event.fields.vlan_id for event in events} == {0x123}
    assert {event.fields.inner_vlan_id for event in events} == {100 if tagged_before else None}
