# SPDX-License-Identifier: Apache-2.0
"""Frames cut at every length: nothing is invented, nothing that is there is lost."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tests.support.capture_object import MINIMUM_FRAME_BYTES, UNSEEN_HEADER
from tests.support.frames import write_capture
from tests.support.tshark import Reading, read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.capture_object import CaptureObject
    from tests.support.packet_fields import PacketFields

# Without padding, and with all of their payload: the headers are the rest.
NAMES = [
    *("tcp", "tcp syn options", "udp", "sctp", "icmp echo", "gre", "ip options"),
    *("longest ip header", "tcp6", "udp6", "icmpv6 echo", "all extension headers", "ah"),
    *("eight extension headers", "802.1q", "qinq", "qinq of 802.1ad", "last fragment6"),
    *("middle fragment", "first fragment tcp", "first fragment6 tcp", "no next header"),
]
ARP_FRAME_BYTES = 42
EXTENSION_HEADERS = (0, 43, 44, 51, 60)


def cut(frame: bytes) -> list[bytes]:
    """The frame at every length up to its own, within reason."""
    return [frame[:length] for length in range(min(len(frame), 250) + 1)]


def stopped_at_extension(name: str, got: PacketFields) -> bool:
    """The protocol is the extension header that could not be read."""
    return name == "protocol" and "truncated" in got.parse and got.protocol in EXTENSION_HEADERS


@pytest.mark.parametrize("name", NAMES)
def test_captured_in_part(
    name: str,
    frames: dict[str, bytes],
    readings: dict[str, Reading],
    replaying: CaptureObject,
    tmp_path: Path,
) -> None:
    frame = frames[name]
    full = readings[name].fields
    assert full.payload_length is not None
    header_bytes = len(frame) - full.payload_length
    shorter = cut(frame)
    path = write_capture(tmp_path / "cut.pcap", shorter, [len(frame)] * len(shorter))
    for part, reading in zip(shorter, read(path), strict=True):
        got = replaying.replay(part, wire_length=len(frame)).fields
        assert ("truncated" in got.parse) == (len(part) < header_bytes), len(part)
        if "truncated" not in got.parse:
            assert got.differences(full) == {}
        assert got.parse - {"truncated"} <= full.parse
        for field in dataclasses.fields(got):
            value, seen = getattr(got, field.name), getattr(reading.fields, field.name)
            if field.name == "parse" or stopped_at_extension(field.name, got):
                continue
            assert value in (None, getattr(full, field.name)), (len(part), field.name)
            # only what tshark reads in the very header that is cut
            if value is None and seen is not None:
                assert "truncated" in got.parse, (len(part), field.name)


@pytest.mark.parametrize("program", ["xdp_ingress", "socket_filter"])
@pytest.mark.parametrize("name", NAMES)
def test_really_that_short(
    name: str,
    program: str,
    frames: dict[str, bytes],
    capturing: CaptureObject,
) -> None:
    """The wire had no more: IP's length says otherwise, and is flagged, not believed."""
    frame = frames[name]
    full = capturing.event("xdp_ingress", frame).fields
    link = 14 + 4 * sum(vlan is not None for vlan in (full.vlan_id, full.inner_vlan_id))
    minimum = 1 if program == "socket_filter" else MINIMUM_FRAME_BYTES
    for part in cut(frame)[minimum:-1]:
        before = UNSEEN_HEADER if program == "socket_filter" else b""
        got = capturing.event(program, before + part).fields
        assert got.length == len(part)
        if got.payload_length is not None:
            assert got.payload_length <= len(part) - link
        assert {"truncated", "bad_ip_length", "bad_transport_header"} & got.parse
        for field in dataclasses.fields(got):
            if field.name in ("length", "payload_length", "parse"):
                continue
            if stopped_at_extension(field.name, got):
                continue
            assert getattr(got, field.name) in (None, getattr(full, field.name)), len(part)


def test_arp_cut(frames: dict[str, bytes], replaying: CaptureObject) -> None:
    frame = frames["arp request"]
    for length in range(ARP_FRAME_BYTES):
        got = replaying.replay(frame[:length], wire_length=len(frame)).fields
        assert got.parse == {"truncated"}
        assert got.network is None
    assert replaying.replay(frame).fields.network == "arp"


@pytest.mark.parametrize("kind", [b"\x81\x00", b"\x88\xa8", b"\x08\x00", b"\x86\xdd", b"\x88\xb5"])
def test_only_a_link_layer_header(kind: bytes, capturing: CaptureObject) -> None:
    event = capturing.event("xdp_ingress", bytes(range(12)) + kind)
    assert event.fields.destination_mac == "00:01:02:03:04:05"
    assert event.fields.source_mac == "06:07:08:09:0a:0b"
    wanted = "unknown_ethertype" if kind == b"\x88\xb5" else "truncated"
    assert event.fields.parse == {wanted}


def test_a_tag_that_is_cut_is_no_tag(capturing: CaptureObject) -> None:
    event = capturing.event("xdp_ingress", bytes(12) + b"\x81\x00\x00\x05\x08")
    assert event.fields.vlan_id is None
    assert event.fields.parse == {"truncated"}
