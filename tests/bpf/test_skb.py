# SPDX-License-Identifier: Apache-2.0
"""What an skb has beside its bytes: a tag, segments, the length of all of them, a protocol."""

from __future__ import annotations

import dataclasses
import importlib
import struct
from typing import TYPE_CHECKING, Any

import pytest

from pybpf import Object
from tests.support.capture_object import CaptureObject, skb_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.packet_event import PacketEvent
    from tests.support.tshark import Reading

scapy: Any = importlib.import_module("scapy.all")

HEADERS = 14 + 20 + 20  # of a TCP segment without options
TAG = 4
V4, V6 = bytes.fromhex("0800"), bytes.fromhex("86dd")

# Puts a tag beside the bytes, as drivers do, and goes on in the program that is tested.
PUSH = """
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} next SEC(".maps");

SEC("tc") int push_once(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, __builtin_bswap16(0x8100), 0xe005);
	bpf_tail_call(skb, &next, 0);
	return 77;
}

SEC("tc") int push_twice(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, __builtin_bswap16(0x8100), 7);
	bpf_skb_vlan_push(skb, __builtin_bswap16(0x88a8), 4095);
	bpf_tail_call(skb, &next, 0);
	return 77;
}

SEC("tc") int push_zero(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, __builtin_bswap16(0x8100), 0);
	bpf_tail_call(skb, &next, 0);
	return 77;
}
"""


@pytest.fixture(scope="module")
def pushing(compile_bpf: Callable[[str, str], Path]) -> Iterator[Object]:
    with Object.open(compile_bpf("push", PUSH)) as loaded:
        loaded.load()
        yield loaded


@pytest.fixture
def run_tagged(pushing: Object, capturing: CaptureObject) -> Callable[..., PacketEvent]:
    """run_tagged(push, program, frame, ctx): the event of the program behind the push."""

    def run(push: str, program: str, frame: bytes, ctx: bytes | None = None) -> PacketEvent:
        descriptor = capturing.object.programs[program].fd
        pushing.maps["next"].set(struct.pack("=I", 0), struct.pack("=I", descriptor))
        verdict = pushing.programs[push].test_run(frame, ctx=ctx).retval
        assert verdict == 0xFFFFFFFF
        [event] = capturing.events()
        return event

    return run


@pytest.mark.parametrize("program", ["tc_ingress", "tc_egress"])
@pytest.mark.parametrize("name", ["tcp", "udp6", "all extension headers", "arp request", "lldp"])
@pytest.mark.parametrize(
    ("push", "vlan", "inner"),
    [("push_once", 5, None), ("push_zero", 0, None), ("push_twice", 4095, 7)],
)
def test_tag_beside_the_bytes(  # noqa: PLR0917
    program: str,
    name: str,
    push: str,
    vlan: int,
    inner: int | None,
    frames: dict[str, bytes],
    readings: dict[str, Reading],
    run_tagged: Callable[..., PacketEvent],
) -> None:
    frame = frames[name] + bytes(max(54 - len(frames[name]), 0))
    context = skb_context() if program == "tc_egress" else None
    if program == "tc_egress" and inner is not None:
        # the tag in the bytes is in wire_len, which the push does not change
        context = skb_context(wire_len=len(frame) + TAG)
    event = run_tagged(push, program, frame, context)
    tags = 1 if inner is None else 2
    wanted = dataclasses.replace(
        readings[name].fields, length=len(frame) + TAG * tags, vlan_id=vlan, inner_vlan_id=inner
    )
    assert event.fields.differences(wanted) == {}


def test_tag_beside_tags_in_the_bytes(
    frames: dict[str, bytes], run_tagged: Callable[..., PacketEvent]
) -> None:
    event = run_tagged("push_once", "tc_ingress", frames["802.1q"])
    assert (event.fields.vlan_id, event.fields.inner_vlan_id) == (5, 5)
    assert event.fields.length == len(frames["802.1q"]) + TAG
    assert event.fields.network == "ipv4"
    three = run_tagged("push_once", "tc_ingress", frames["qinq"])
    assert three.fields.parse == {"vlan_depth"}
    assert three.fields.length == len(frames["qinq"]) + TAG


def super_packet(payload_bytes: int) -> bytes:
    packet = scapy.Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    packet /= scapy.IP(src="192.0.2.1", dst="192.0.2.2") / scapy.TCP() / bytes(payload_bytes)
    return bytes(packet)


def test_segments_at_ingress(capturing: CaptureObject) -> None:
    frame = super_packet(2500)
    event = capturing.event("tc_ingress", frame, skb_context(gso_segs=3, gso_size=1000))
    assert event.segments == 3
    # the headers of the two segments that the skb has not
    assert event.fields.length == len(frame) + 2 * HEADERS
    assert event.fields.payload_length == 2500


@pytest.mark.parametrize(("payload", "segments"), [(1, 1), (1000, 1), (1001, 2), (3000, 3)])
def test_segments_that_nobody_counted(
    capturing: CaptureObject, payload: int, segments: int
) -> None:
    """A guest gives the size of a segment only."""
    frame = super_packet(payload)
    event = capturing.event("tc_ingress", frame, skb_context(gso_size=1000))
    assert event.segments == segments
    assert event.fields.length == len(frame) + (segments - 1) * HEADERS


def test_segments_of_different_sizes(capturing: CaptureObject) -> None:
    """SCTP: GSO_BY_FRAGS in place of a size."""
    context = skb_context(gso_segs=4, gso_size=0xFFFF)
    event = capturing.event("tc_ingress", super_packet(100), context)
    assert event.segments == 4


def test_segments_at_egress(capturing: CaptureObject) -> None:
    frame = super_packet(2500)
    wire = len(frame) + 2 * HEADERS
    context = skb_context(wire_len=wire, gso_segs=3, gso_size=1000)
    event = capturing.event("tc_egress", frame, context)
    assert (event.segments, event.fields.length) == (3, wire)


@pytest.mark.parametrize("program", ["tc_ingress", "tc_egress"])
def test_each_segment_has_the_tag(program: str, run_tagged: Callable[..., PacketEvent]) -> None:
    frame = super_packet(2500)
    wire = len(frame) + 2 * HEADERS
    context = skb_context(wire_len=wire if program == "tc_egress" else 0, gso_segs=3, gso_size=1000)
    event = run_tagged("push_once", program, frame, context)
    assert (event.segments, event.fields.length) == (3, wire + 3 * TAG)


@pytest.mark.parametrize("program", ["tc_ingress_l3", "tc_egress_l3"])
@pytest.mark.parametrize("version", [4, 6])
def test_protocol_beside_the_bytes(program: str, version: int, capturing: CaptureObject) -> None:
    """Without link layer, the skb tells the ethertype.

    A test run takes it from bytes 12 and 13 of the packet, where this one's source address has
    the number that is wanted.
    """
    if version == 4:
        source = "8.0.3.4"
        packet = bytes(
            scapy.IP(src=source, dst="192.0.2.2") / scapy.UDP(sport=7, dport=9) / bytes(40)
        )
        assert packet[12:14] == V4
    else:
        source = "2001:db8:86dd::1"
        packet = bytes(
            scapy.IPv6(src=source, dst="2001:db8::2") / scapy.UDP(sport=7, dport=9) / bytes(40)
        )
        assert packet[12:14] == V6
    event = capturing.event(program, packet, skb_context())
    fields = event.fields
    assert (fields.source_mac, fields.source_ip, fields.source_port) == (None, source, 7)
    assert (fields.length, fields.payload_length) == (len(packet), 40)
    assert event.direction == ("egress" if "egress" in program else "ingress")
