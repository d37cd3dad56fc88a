# SPDX-License-Identifier: Apache-2.0
"""The block-structured capture format, pcapng (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamer.replay.source import LONGEST_PACKET_BYTES, Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamer.replay.source import Packet, Source

MAGIC = b"\x0a\x0d\x0d\x0a"  # the same in both byte orders
_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_OBSOLETE_PACKET = 2
_SIMPLE_PACKET = 3
_ENHANCED_PACKET = 6
_BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}

_OPTION_END = 0
_OPTION_TIMESTAMP_RESOLUTION = 9
_OPTION_TIMESTAMP_OFFSET = 14

_LONGEST_BLOCK_BYTES = 16 << 20  # the longest packet and a wealth of options
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    snap_length: int  # 0: no limit
    multiplier: int  # units * multiplier // divisor + offset_ns = nanoseconds since 1970
    divisor: int
    offset_ns: int

    def time_ns(self, high: int, low: int) -> int:
        return (high << 32 | low) * self.multiplier // self.divisor + self.offset_ns


def check(source: Source) -> None:
    """Raise Damaged unless the first section header is whole; `source` is at its first byte."""
    header = source.read_all(8, "the section header")
    _body(source, _byte_order(source), header, already_read=4)


def packets(source: Source) -> Iterator[Packet]:
    """Every packet, in the file's order; `source` is at its first byte."""
    order = "<"
    interfaces: list[_Interface] = []
    while header := source.read(8):
        if len(header) < 8:
            raise Damaged(f"cut off inside a block's header, at byte {source.offset}")
        if header[:4] == MAGIC:
            order, interfaces = _byte_order(source), []
            # The byte-order magic has been read: it is part of the body.
            _body(source, order, header, already_read=4)
            continue
        (kind,) = struct.unpack_from(order + "I", header)
        body = _body(source, order, header)
        try:
            if kind == _ENHANCED_PACKET:
                yield _enhanced(order, body, interfaces)
            elif kind == _INTERFACE_DESCRIPTION:
                interfaces.append(_interface(order, body))
            elif kind == _SIMPLE_PACKET:
                yield _simple(order, body, interfaces)
            elif kind == _OBSOLETE_PACKET:
                yield _obsolete(order, body, interfaces)
        except struct.error:
            raise Damaged(
                f"a block is too short for its kind, before byte {source.offset}"
            ) from None
        except IndexError:
            raise Damaged(
                f"a packet names an interface nobody described, before byte {source.offset}"
            ) from None


def _byte_order(source: Source) -> str:
    magic = source.read_all(4, "a section header")
    if magic not in _BYTE_ORDERS:
        raise Damaged(f"a section header without its byte-order magic, at byte {source.offset}")
    return _BYTE_ORDERS[magic]


def _body(source: Source, order: str, header: bytes, already_read: int = 0) -> bytes:
    """Read the rest of a block; give what is between the two lengths."""
    (total,) = struct.unpack_from(order + "I", header, 4)
    rest = total - 8 - already_read
    if total % 4 or rest < 4 or total > _LONGEST_BLOCK_BYTES:
        raise Damaged(f"a block of {total} bytes is impossible, at byte {source.offset}")
    body = source.read_all(rest, "a block")
    if struct.unpack_from(order + "I", body, rest - 4)[0] != total:
        raise Damaged(f"a block's two lengths differ, before byte {source.offset}")
    return body[:-4]


def _enhanced(order: str, body: bytes, interfaces: list[_Interface]) -> Packet:
    index, high, low, captured, length = struct.unpack_from(order + "IIIII", body)
    interface = interfaces[index]
    return interface.time_ns(high, low), length, interface.link_type, _data(body, 20, captured)


def _obsolete(order: str, body: bytes, interfaces: list[_Interface]) -> Packet:
    index, _, high, low, captured, length = struct.unpack_from(order + "HHIIII", body)
    interface = interfaces[index]
    return interface.time_ns(high, low), length, interface.link_type, _data(body, 20, captured)


def _simple(order: str, body: bytes, interfaces: list[_Interface]) -> Packet:
    """Give a packet without a timestamp: it is of the first interface, and of 1970."""
    (length,) = struct.unpack_from(order + "I", body)
    interface = interfaces[0]
    captured = min(length, interface.snap_length or length)
    return 0, length, interface.link_type, _data(body, 4, captured)


def _data(body: bytes, start: int, captured: int) -> bytes:
    if captured > min(len(body) - start, LONGEST_PACKET_BYTES):
        raise Damaged(f"a packet of {captured} bytes in a block of {len(body) + 12}")
    return body[start : start + captured]


def _interface(order: str, body: bytes) -> _Interface:
    link_type, _, snap_length = struct.unpack_from(order + "HHI", body)
    multiplier, divisor, offset_s = _NANOSECONDS, 10**6, 0
    for code, value in _options(order, body, 8):
        if code == _OPTION_TIMESTAMP_RESOLUTION and len(value) == 1:
            exponent = value[0] & 0x7F
            divisor = 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == _OPTION_TIMESTAMP_OFFSET and len(value) == 8:
            (offset_s,) = struct.unpack(order + "q", value)
    return _Interface(link_type, snap_length, multiplier, divisor, offset_s * _NANOSECONDS)


def _options(order: str, body: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, offset)
        if code == _OPTION_END:
            return
        yield code, body[offset + 4 : offset + 4 + length]
        offset += 4 + ((length + 3) & ~3)
