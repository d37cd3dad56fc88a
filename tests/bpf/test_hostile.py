# SPDX-License-Identifier: Apache-2.0
"""Bytes that nobody would send: one record each, whose parts agree with each other."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.capture_object import (
    MINIMUM_FRAME_BYTES,
    REPLAY_ETHERNET,
    REPLAY_NO_LINK_LAYER,
    UNSEEN_HEADER,
    CaptureObject,
    xdp_context,
)
from tests.support.frames import build, write_capture
from tests.support.tshark import read

if TYPE_CHECKING:
    import pytest

    from tests.support.packet_fields import PacketFields

hostile = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

GOOD = sorted(build().values())
SKB_MIN_BYTES, SKB_MAX_BYTES = 54, 3000  # of a test run
ETHERTYPES = [0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x9100, 0x0000, 0x05FF, 0x0600, 0xFFFF]
NEXT_HEADERS = [0, 43, 44, 60, 51, 6, 17, 132, 1, 58, 59, 50, 255]


@st.composite
def ethernet(draw: st.DrawFn) -> bytes:
    """A likely ethertype, then anything."""
    tags = b""
    for _ in range(draw(st.integers(0, 4))):
        tags += draw(st.sampled_from([b"\x81\x00", b"\x88\xa8"])) + draw(
            st.binary(min_size=2, max_size=2)
        )
    kind = draw(st.sampled_from(ETHERTYPES)).to_bytes(2)
    return bytes(12) + tags + kind + draw(st.binary(max_size=200))


@st.composite
def ipv4(draw: st.DrawFn) -> bytes:
    """A version and a header length, lengths and offsets at random."""
    header = bytearray(draw(st.binary(min_size=20, max_size=20)))
    header[0] = 0x40 | draw(st.integers(0, 15))
    header[9] = draw(st.sampled_from(NEXT_HEADERS))
    if draw(st.booleans()):
        header[6:8] = draw(st.sampled_from([b"\x00\x00", b"\x20\x00", b"\x00\x01", b"\x40\x00"]))
    body = draw(st.binary(max_size=120))
    if draw(st.booleans()):
        header[2:4] = (20 + len(body)).to_bytes(2)
    return bytes(12) + b"\x08\x00" + header + body


@st.composite
def ipv6(draw: st.DrawFn) -> bytes:
    """A chain of extension headers of any length."""
    body = b""
    first = following = draw(st.sampled_from(NEXT_HEADERS))
    for _ in range(draw(st.integers(0, 12))):
        following = draw(st.sampled_from(NEXT_HEADERS))
        size = draw(st.sampled_from([0, 0, 0, 1, 2, 31, 255]))
        body += bytes((following, size)) + draw(st.binary(min_size=6, max_size=6))
        body += bytes(draw(st.sampled_from([0, size * 8])))
    body += draw(st.binary(max_size=60))
    length = draw(st.sampled_from([len(body), 0, 65535, len(body) // 2])) & 0xFFFF
    header = struct.pack(">IHBB", 0x6ABCDEF0, length, first, 64) + bytes(range(32))
    return bytes(12) + b"\x86\xdd" + header + body


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good frame with some bytes changed, and cut."""
    frame = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 6))):
        frame[draw(st.integers(0, min(len(frame), 120) - 1))] = draw(st.integers(0, 255))
    return bytes(frame[: draw(st.integers(0, len(frame)))])


anything = st.one_of(st.binary(max_size=300), ethernet(), ipv4(), ipv6(), mutated())


def check(fields: PacketFields, length: int) -> None:
    """What has to hold whatever the bytes are; decode() has checked the flags."""
    assert fields.length == length
    parse = fields.parse
    if fields.payload_length is not None:
        assert fields.network in ("ipv4", "ipv6")
        # of a first fragment, UDP tells the length of the whole datagram
        assert fields.payload_length <= (length if "fragment" not in parse else 65535)
    assert ("fragment" in parse) == (fields.fragment_offset is not None)
    if "ip_options" in parse:
        assert fields.network == "ipv4"
    if {"ipv6_extensions", "extension_depth"} & parse:
        assert fields.network == "ipv6"
    if {"unknown_ethertype", "vlan_depth", "bad_ip_header", "unknown_arp"} & parse:
        assert fields.network is None
    if fields.fragment_offset:
        assert fields.source_port is fields.icmp_type is fields.tcp_seq is None
    if fields.source_port is not None:
        assert fields.protocol in (6, 17, 132)
    if fields.icmp_type is not None:
        assert fields.protocol in (1, 58)
    if fields.network is None and fields.source_mac is not None:
        assert parse  # says why


@hostile
@given(frame=anything)
def test_replay(frame: bytes, replaying: CaptureObject) -> None:
    check(replaying.replay(frame).fields, len(frame))


@hostile
@given(frame=anything.filter(lambda frame: len(frame) >= MINIMUM_FRAME_BYTES))
def test_xdp(frame: bytes, capturing: CaptureObject) -> None:
    check(capturing.event("xdp_ingress", frame).fields, len(frame))


@hostile
@given(frame=anything.filter(lambda frame: 1 <= len(frame) <= SKB_MAX_BYTES))
def test_socket_filter(frame: bytes, capturing: CaptureObject) -> None:
    check(capturing.event("socket_filter", UNSEEN_HEADER + frame).fields, len(frame))


@hostile
@given(frame=anything.filter(lambda frame: SKB_MIN_BYTES <= len(frame) <= SKB_MAX_BYTES))
def test_tc(frame: bytes, capturing: CaptureObject) -> None:
    check(capturing.event("tc_ingress", frame).fields, len(frame))


@hostile
@given(
    frame=st.binary(min_size=MINIMUM_FRAME_BYTES, max_size=80),
    meta=st.builds(
        lambda time, length, link, padding: struct.pack("=QIHH", time, length, link, padding),
        st.integers(0, 2**64 - 1),
        st.sampled_from([0, 1, 13, 60, 2**31, 2**32 - 1]),
        st.sampled_from([REPLAY_ETHERNET, REPLAY_NO_LINK_LAYER, 7]),
        st.sampled_from([0, 1, 14, 65535]),
    ),
)
def test_any_metadata(frame: bytes, meta: bytes, replaying: CaptureObject) -> None:
    event = replaying.event("xdp_ingress", meta + frame, xdp_context(len(frame)))
    assert event.timestamp_ns.to_bytes(8, "little") == meta[:8]


def test_replay_without_metadata(replaying: CaptureObject) -> None:
    """An event all the same: nothing is known of the packet, not even its bytes."""
    event = replaying.event("xdp_ingress", bytes(60))
    assert event.timestamp_ns == 0


def test_random_frames_as_tshark_reads_them(
    replaying: CaptureObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Addresses, ports and lengths of random frames, where tshark finds nothing malformed."""
    import random

    random.seed(20260101)
    frames = []
    for _ in range(3000):
        changed = bytearray(random.choice(GOOD)[:200])
        for _ in range(random.randint(1, 3)):
            changed[random.randrange(12, len(changed))] = random.randrange(256)
        frames.append(bytes(changed))
    path = write_capture(tmp_path_factory.mktemp("random") / "random.pcap", frames)
    compared = 0
    for frame, reading in zip(frames, read(path), strict=True):
        if reading.malformed:
            replaying.replay(frame)
            continue
        compared += 1
        got = replaying.replay(frame).fields
        assert reading.differences(got) == {}, (frame.hex(), reading.protocols)
    assert compared > len(frames) // 2
