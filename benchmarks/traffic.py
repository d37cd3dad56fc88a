# SPDX-License-Identifier: Apache-2.0
"""Frames of a mixed traffic, run through the capture program into its ring."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from pybpf import RingBuffer
from streamer.capture.programs import Switches, load

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

RING_BYTES = 16 << 20
RECORD_BYTES = 120
LOOPBACK = 1

_MACS = bytes.fromhex("02000000000102000000000a")
_MSS = 1448
_ACK, _PSH = 0x10, 0x18


def _ipv4(protocol: int, source: bytes, destination: bytes, length: int, number: int) -> bytes:
    header = struct.pack(
        ">BBHHHBBH", 0x45, 0, 20 + length, number & 0xFFFF, 0x4000, 64, protocol, 0
    )
    return b"\x08\x00" + header + source + destination


def _ipv6(protocol: int, source: bytes, destination: bytes, length: int) -> bytes:
    header = struct.pack(">IHBB", 0x60000000, length, protocol, 64)
    return (
        b"\x86\xdd"
        + header
        + b"\x20\x01\x0d\xb8"
        + bytes(8)
        + source
        + (b"\x20\x01\x0d\xb8\0\1" + bytes(6) + destination)
    )


def _tcp(random_: random.Random, source_port: int, destination_port: int) -> bytes:
    payload = random_.choice((0, 0, 0, _MSS, _MSS, random_.randrange(1, _MSS)))
    header = struct.pack(
        ">HHIIBBHHH",
        source_port,
        destination_port,
        random_.randrange(1 << 32),
        random_.randrange(1 << 32),
        0x80,
        _PSH if payload else _ACK,
        random_.randrange(200, 1 << 16),
        0,
        0,
    )
    return header + b"\1\1\x08\x0a" + random_.randbytes(8) + bytes(payload)


def frames(flows: int, count: int, seed: int = 1) -> list[bytes]:
    """`count` Ethernet frames of `flows` flows, drawn at random, the first flows more often.

    Of 20 flows 14 are TCP over IPv4, 3 TCP over IPv6, 2 DNS over UDP, 1 is ping. TCP segments are
    half empty acknowledgements, a third full, the rest of any size.
    """
    random_ = random.Random(seed)
    made = []
    for number in range(count):
        flow = int(flows * random_.random() ** 2)
        kind = flow % 20
        source, destination = (
            struct.pack(">I", 0x0A140000 + flow),
            struct.pack(">I", 0xC0A80000 + flow % 1000),
        )
        port = 32768 + flow * 7 % 28000
        if kind < 17:
            segment = _tcp(random_, port, (443, 80, 5432, 9092)[flow % 4])
            if kind < 14:
                packet = _ipv4(6, source, destination, len(segment), number) + segment
            else:
                packet = _ipv6(6, source, destination, len(segment)) + segment
        elif kind < 19:
            data = bytes(random_.randrange(30, 400))
            datagram = struct.pack(">HHHH", port, 53, 8 + len(data), 0) + data
            packet = _ipv4(17, source, destination, len(datagram), number) + datagram
        else:
            message = struct.pack(">BBHHH", 8, 0, 0, flow & 0xFFFF, number & 0xFFFF) + bytes(56)
            packet = _ipv4(1, source, destination, len(message), number) + message
        made.append(_MACS + packet)
    return made


class FilledRing:
    """The capture's own object and ring; nothing is attached, frames come from test runs."""

    def __init__(self) -> None:
        self._object = load(("tc_ingress",), RING_BYTES, Switches())
        self._program = self._object.programs["tc_ingress"]
        self.ring = RingBuffer(self._object.maps["events"])

    def run(self, frames_: list[bytes]) -> None:
        """One test run of the program per frame."""
        run = self._program.test_run
        for frame in frames_:
            run(frame)

    def records(self) -> list[bytes]:
        """Copies of the records in the ring, which is empty then."""
        with self.ring.lease() as lease:
            return [bytes(record) for record in lease]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.ring.close()
        self._object.close()
