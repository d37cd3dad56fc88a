# SPDX-License-Identifier: Apache-2.0
"""Records as the kernel programs write them, and a ring that holds whatever a test puts in."""

from __future__ import annotations

import ipaddress
import os
import struct
from typing import TYPE_CHECKING, Protocol

import pytest

from pybpf import Object, RingBuffer
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# struct record_header and struct packet_event of bpf/event.h
HEADER = struct.Struct("=BBHIQ")
EVENT = struct.Struct("=BBHIQ QII 16s16sHH6s6sIHHHHBBBB BBHIIIHHHH")
assert EVENT.size == 120
HAS_MAC_AND_PORTS = 1 | 8
HAS_TCP_IP_ID_PAYLOAD = 0xF000

# The frame is a list of records, each behind its length.
EMITTER = """
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, char[512]);
} scratch SEC(".maps");

const volatile __u64 output_flags = 0;

SEC("xdp.frags")
int emit(struct xdp_md *ctx)
{
    __u32 offset = 0, written = 0, zero = 0;
    char *record = bpf_map_lookup_elem(&scratch, &zero);
    __u16 length;

    if (!record)
        return -1;
    for (int i = 0; i < 700; i++) {
        if (bpf_xdp_load_bytes(ctx, offset, &length, sizeof(length)))
            break;
        __u64 size = length;
        asm volatile("" : "+r"(size)); /* the verifier follows no narrower number */
        if (size < 1 || size > 512)
            break;
        if (bpf_xdp_load_bytes(ctx, offset + 2, record, size))
            break;
        if (!bpf_ringbuf_output(&events, record, size, output_flags))
            written++;
        offset += 2 + size;
    }
    return written;
}
"""

NO_WAKEUP = 1


def packet_record(
    sequence: int,
    *,
    cpu: int = 0,
    flow: int = 0,
    timestamp_ns: int = 1_795_000_000_000_000_000,
    kind: int = 1,
    version: int = 1,
    length: int = 120,
    addresses: bool = True,
) -> bytes:
    """A TCP packet of one of many flows, or one without addresses (and so without a key)."""
    source = ipaddress.ip_address(0x0A000000 + flow % 50_000)
    return EVENT.pack(
        *(kind, version, length, cpu, sequence),
        *(timestamp_ns, 1514, 1448),
        b"\0" * 10 + b"\xff\xff" + source.packed if addresses else bytes(16),
        b"\0" * 10 + b"\xff\xff" + bytes([192, 0, 2, 1]) if addresses else bytes(16),
        *((40_000 + flow // 50_000, 443) if addresses else (0, 0)),
        *(b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"),
        *(7, 0, 0, 0x0800 if addresses else 0x88CC),
        *((HAS_MAC_AND_PORTS, 1, 6) if addresses else (1, 0, 0)),
        *(1, 1),
        *(64, 0, 0x10, sequence & 0xFFFF, sequence & 0xFFFFFFFF, 1, 501, 1, 0),
        HAS_TCP_IP_ID_PAYLOAD if addresses else 1 << 4,
    )


class RawRing:
    """A real BPF ring buffer, filled by test runs of a program that copies what it is given."""

    MAX_FRAME_BYTES = 60_000

    def __init__(self, path: Path, ring_bytes: int, output_flags: int) -> None:
        self.object = Object.open(path)
        self.object.set_max_entries("events", ring_bytes)
        self.object.set_rodata("output_flags", output_flags)
        self.object.load()
        self.ring = RingBuffer(self.object.maps["events"])
        self.program = self.object.programs["emit"]

    def frames(self, records: Iterable[bytes]) -> list[bytes]:
        """The records packed into as few test runs as possible."""
        frames = [bytearray()]
        for record in records:
            if len(frames[-1]) + 2 + len(record) > self.MAX_FRAME_BYTES:
                frames.append(bytearray())
            frames[-1] += struct.pack("=H", len(record)) + record
        return [bytes(frame).ljust(14, b"\0") for frame in frames]

    def emit(self, records: Iterable[bytes]) -> int:
        """Write the records; returns how many the ring took."""
        return sum(self.program.test_run(frame).retval for frame in self.frames(records))

    def close(self) -> None:
        self.ring.close()
        self.object.close()


class RingMaker(Protocol):
    def __call__(self, ring_bytes: int = ..., output_flags: int = ...) -> RawRing: ...


@pytest.fixture
def raw_ring(compile_bpf: Callable[[str, str], Path]) -> Iterator[RingMaker]:
    """raw_ring(ring_bytes=..., output_flags=...): a ring to be filled at will."""
    require(os.geteuid() == 0, "a BPF ring buffer needs root")
    path = compile_bpf("emit", EMITTER)
    rings: list[RawRing] = []

    def make(ring_bytes: int = 1 << 20, output_flags: int = 0) -> RawRing:
        rings.append(RawRing(path, ring_bytes, output_flags))
        return rings[-1]

    yield make
    for ring in rings:
        ring.close()
