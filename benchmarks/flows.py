# SPDX-License-Identifier: Apache-2.0
"""Packet records as the kernel would write them, for so many flows."""

from __future__ import annotations

import random
import struct

HEADER = struct.Struct("<BBHIQ")
MEASURES = struct.Struct("<QII")
FLOW_KEY = struct.Struct("<16s16sHH6s6sIHHHHBBBB")
VARYING = struct.Struct("<BBHIIIHHHH")
RECORD_BYTES = HEADER.size + MEASURES.size + FLOW_KEY.size + VARYING.size

START_NS = 1_790_000_000_000_000_000
GAP_NS = 2_500  # 400,000 packets a second
IFINDEX = 2

_HAS_MAC, _HAS_PORTS = 1 << 0, 1 << 3
_HAS_TCP, _HAS_IP, _HAS_ID, _HAS_PAYLOAD = 1 << 12, 1 << 13, 1 << 14, 1 << 15
_ACK, _PSH = 1 << 4, 1 << 3


def flow_keys(flows: int, random_: random.Random) -> list[bytes]:
    """TCP over IPv4 between hosts of a few networks, on one Ethernet interface."""
    keys = []
    for number in range(flows):
        client = bytes([10, 20, number >> 8 & 0xFF, number & 0xFF])
        server = bytes([192, 168, random_.randrange(4), random_.randrange(1, 250)])
        keys.append(
            FLOW_KEY.pack(
                b"\0" * 10 + b"\xff\xff" + client,
                b"\0" * 10 + b"\xff\xff" + server,
                random_.randrange(32768, 60999),
                random_.choice((80, 443, 5432, 9092)),
                b"\x02\x00\x00" + random_.randbytes(3),
                b"\x02\x00\x00\x00\x00\x01",
                IFINDEX,
                0,
                0,
                0x0800,
                _HAS_MAC | _HAS_PORTS,
                1,  # IPv4
                6,  # TCP
                1,  # TC
                1 + (number & 1),
            )
        )
    return keys


def records(flows: int, events: int, *, seed: int = 1) -> bytes:
    """`events` records, one behind the other, of flows drawn at random."""
    random_ = random.Random(seed)
    keys = flow_keys(flows, random_)
    out = []
    for sequence in range(events):
        payload = random_.choice((0, 0, 1448, 1448, random_.randrange(1, 1448)))
        out.append(
            HEADER.pack(1, 1, RECORD_BYTES, 0, sequence)
            + MEASURES.pack(START_NS + sequence * GAP_NS, 66 + payload, payload)
            + random_.choice(keys)
            + VARYING.pack(
                64,
                0,
                _ACK | (_PSH if payload else 0),
                random_.randrange(1 << 16),
                random_.randrange(1 << 32),
                random_.randrange(1 << 32),
                random_.randrange(1, 1 << 16),
                1,
                0,
                _HAS_TCP | _HAS_IP | _HAS_ID | _HAS_PAYLOAD,
            )
        )
    return b"".join(out)
