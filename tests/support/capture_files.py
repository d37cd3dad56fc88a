# SPDX-License-Identifier: Apache-2.0
"""Capture files made by hand, from the formats' drafts, and tshark's reading of them."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """One packet as tshark reads it."""

    time_ns: int
    length: int
    data: bytes


def read_by_tshark(path: Path) -> list[Seen]:
    """Time, original length and bytes of every packet."""
    fields = ["frame.time_epoch", "frame.len", "frame.cap_len"]
    listing = _tshark(path, "-T", "fields", *(word for f in fields for word in ("-e", f)))
    dumps = _hex_dumps(_tshark(path, "-x", "-P", "-o", 'gui.column.format:"No.","%m"'))
    seen = []
    for line, data in zip(listing.splitlines(), dumps, strict=True):
        time, length, captured = line.split("\t")
        assert len(data) == int(captured)
        seen.append(Seen(int(Decimal(time or 0) * 10**9), int(length), data))
    return seen


def _tshark(path: Path, *arguments: str) -> str:
    command = ["tshark", "-n", "-r", str(path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _hex_dumps(text: str) -> list[bytes]:
    """Packets of `tshark -P -x`: a summary line, hex lines, an empty line each."""
    packets: list[bytes] = []
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if line[:4].strip() and len(words[0]) == 4 and line[4:6] == "  ":
            packets[-1] += bytes.fromhex(line[6:53])
        else:
            packets.append(b"")
    return packets


def pcap(
    packets: list[tuple[int, int, bytes]],
    *,
    link_type: int = 1,
    order: str = "<",
    nanoseconds: bool = False,
) -> bytes:
    """Build a classic capture: packets of (time in the file's unit, original length, bytes)."""
    unit = 10**9 if nanoseconds else 10**6
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    file = bytearray(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link_type))
    for time, length, data in packets:
        file += struct.pack(order + "IIII", time // unit, time % unit, len(data), length) + data
    return bytes(file)


def block(order: str, kind: int, body: bytes) -> bytes:
    """Build one block of pcapng."""
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + total + body + total


def section(order: str) -> bytes:
    """Build a section header of unknown length."""
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(
    order: str,
    link_type: int = 1,
    *,
    resolution: int | None = None,
    offset_s: int | None = None,
    snap_length: int = 0,
) -> bytes:
    """Build an interface description."""
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset_s is not None:
        options += struct.pack(order + "HHq", 14, 8, offset_s)
    if options:
        options += struct.pack(order + "HH", 0, 0)
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, snap_length) + options)


def enhanced(
    order: str, index: int, time: int, length: int, data: bytes, *, comment: bytes = b""
) -> bytes:
    """Build an enhanced packet block."""
    body = struct.pack(order + "IIIII", index, time >> 32, time & 0xFFFFFFFF, len(data), length)
    body += data + bytes(-len(data) % 4)
    if comment:
        body += struct.pack(order + "HH", 1, len(comment)) + comment + bytes(-len(comment) % 4)
        body += struct.pack(order + "HH", 0, 0)
    return block(order, 6, body)


def simple(order: str, length: int, data: bytes) -> bytes:
    """Build a simple packet block."""
    return block(order, 3, struct.pack(order + "I", length) + data)


def obsolete(order: str, index: int, time: int, length: int, data: bytes) -> bytes:
    """Build an obsolete packet block."""
    high, low = time >> 32, time & 0xFFFFFFFF
    body = struct.pack(order + "HHIIII", index, 0xFFFF, high, low, len(data), length)
    return block(order, 2, body + data)
