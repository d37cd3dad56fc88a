# SPDX-License-Identifier: Apache-2.0
"""What a packet of each link type becomes: its payload's ethertype and bytes."""

from __future__ import annotations

import struct

import pytest

from streamer.replay import link_types

IPV4 = bytes.fromhex("45000014000000004011000001020304") + bytes(4)
IPV6 = bytes.fromhex("60000000000011ff") + bytes(32)


def cooked(ethertype: int, device: int = 1) -> bytes:
    """LINKTYPE_LINUX_SLL, by its description at tcpdump.org."""
    return struct.pack("!HHH8sH", 0, device, 6, b"\x02\x00\x00\x00\x00\x01", ethertype)


def cooked2(ethertype: int, device: int = 1) -> bytes:
    """LINKTYPE_LINUX_SLL2, by its description at tcpdump.org."""
    return struct.pack("!HHIHBB8s", ethertype, 0, 3, device, 0, 6, b"\x02\x00\x00\x00\x00\x01")


@pytest.mark.parametrize(
    ("link_type", "data", "ethertype", "payload"),
    [
        (101, IPV4, 0x0800, IPV4),
        (101, IPV6, 0x86DD, IPV6),
        (12, IPV4, 0x0800, IPV4),
        (14, IPV6, 0x86DD, IPV6),
        (101, b"", 0, b""),
        (101, b"\xff", 0, b"\xff"),
        (228, IPV4, 0x0800, IPV4),
        (229, IPV6, 0x86DD, IPV6),
        (113, cooked(0x0800) + IPV4, 0x0800, IPV4),
        (113, cooked(0x86DD) + IPV6, 0x86DD, IPV6),
        (113, cooked(0x8100) + b"\x00\x05\x08\x00" + IPV4, 0x8100, b"\x00\x05\x08\x00" + IPV4),
        (276, cooked2(0x0800) + IPV4, 0x0800, IPV4),
        (276, cooked2(0x0806) + bytes(28), 0x0806, bytes(28)),
        (113, cooked(4, device=824) + b"x", 0, b"x"),
        (276, cooked2(0x0800, device=824) + b"x", 0, b"x"),
        (0, b"\x02\x00\x00\x00" + IPV4, 0x0800, IPV4),
        (0, b"\x00\x00\x00\x1e" + IPV6, 0x86DD, IPV6),
        (108, b"\x00\x00\x00\x18" + IPV6, 0x86DD, IPV6),
    ],
)
def test_payload_and_ethertype(link_type: int, data: bytes, ethertype: int, payload: bytes) -> None:
    other = link_types.without_ethernet(link_type)
    assert other is not None
    assert other.to_frame(data) == bytes(12) + ethertype.to_bytes(2, "big") + payload


@pytest.mark.parametrize(("link_type", "header_bytes"), [(0, 4), (108, 4), (113, 16), (276, 20)])
def test_cut_inside_the_header(link_type: int, header_bytes: int) -> None:
    other = link_types.without_ethernet(link_type)
    assert other is not None
    assert other.header_bytes == header_bytes
    for length in range(header_bytes):
        assert other.to_frame(bytes(length)) == link_types.CUT
    assert other.to_frame(bytes(header_bytes)) != link_types.CUT


def test_names() -> None:
    assert link_types.describe(105) == "IEEE 802.11 (105)"
    assert link_types.describe(1) == "Ethernet (1)"
    assert link_types.describe(4711) == "number 4711"
    assert link_types.is_supported(276)
    assert not link_types.is_supported(105)
