# SPDX-License-Identifier: Apache-2.0
"""The classic capture format, pcap (draft-ietf-opsawg-pcap)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from streamer.replay.source import LONGEST_PACKET_BYTES, Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamer.replay.source import Packet, Source

# First four bytes: byte order, nanoseconds in one unit of a timestamp's fraction.
MAGIC = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
_LINK_TYPE_MASK = 0x03FFFFFF  # the bits above tell of a frame check sequence


def link_type(source: Source) -> int:
    """Give the link type of all the file's packets; `source` is at its first byte."""
    return _header(source)[2]


def packets(source: Source) -> Iterator[Packet]:
    """Every packet, in the file's order; `source` is at its first byte."""
    order, fraction_ns, link = _header(source)
    unpack = struct.Struct(order + "IIII").unpack
    read, read_all = source.read, source.read_all
    while record := read(16):
        if len(record) < 16:
            raise Damaged(f"cut off inside a packet's header, at byte {source.offset}")
        seconds, fraction, captured, length = unpack(record)
        if captured > LONGEST_PACKET_BYTES:
            raise Damaged(f"a packet of {captured} bytes is impossible, at byte {source.offset}")
        data = read_all(captured, "a packet")
        yield seconds * 1_000_000_000 + fraction * fraction_ns, length, link, data


def _header(source: Source) -> tuple[str, int, int]:
    order, fraction_ns = MAGIC[source.read(4)]
    *_, link = struct.unpack(order + "HHiIII", source.read_all(20, "the file header"))
    return order, fraction_ns, link & _LINK_TYPE_MASK
