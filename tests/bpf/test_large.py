# SPDX-License-Identifier: Apache-2.0
"""Frames of every size, and headers beyond the part that can be read directly."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest

from tests.support.capture_object import MINIMUM_FRAME_BYTES, CaptureObject
from tests.support.frames import write_capture
from tests.support.tshark import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ETHERNET = bytes(12)
TEST_RUN_MAX_BYTES = 73_000
OPTIONS_BYTES = 2048  # the longest extension header


def udp_frame(size: int) -> bytes:
    """IPv4 and UDP headers say the whole size, up to what they can."""
    ip_bytes = min(size - 14, 65535)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, ip_bytes, 7, 0, 64, 17, 0) + bytes((10, 0, 0, 1) * 2)
    udp = struct.pack(">HHHH", 1000, 2000, ip_bytes - 20, 0)
    return (ETHERNET + b"\x08\x00" + ip + udp).ljust(size, b"x")


def deep_frame(headers: int) -> bytes:
    """TCP behind destination options of 2048 bytes each."""
    body = b""
    for number in range(headers):
        following = 6 if number == headers - 1 else 60
        body += bytes((following, OPTIONS_BYTES // 8 - 1)) + bytes(OPTIONS_BYTES - 2)
    body += struct.pack(">HHIIHHHH", 1000, 2000, 3, 4, 0x5018, 5, 0, 0) + b"payload"
    ip = struct.pack(">IHBB", 6 << 28, len(body), 60, 64) + bytes(range(32))
    return ETHERNET + b"\x86\xdd" + ip + body


@pytest.fixture(scope="module")
def linear() -> Iterator[CaptureObject]:
    """As on a kernel without bpf_xdp_load_bytes."""
    with contextlib.closing(CaptureObject(["xdp_ingress"])) as loaded:
        yield loaded


def test_every_size(capturing: CaptureObject) -> None:
    for size in range(42, 1600):
        event = capturing.event("xdp_ingress", udp_frame(size))
        assert event.fields.length == size
        assert event.fields.payload_length == size - 42
        assert event.fields.parse == frozenset()


@pytest.mark.parametrize("size", [3520, 3521, 4096, 9014, 32768, 65549])
def test_jumbo(size: int, capturing: CaptureObject, tmp_path: Path) -> None:
    frame = udp_frame(size)
    event = capturing.event("xdp_ingress", frame)
    [reading] = read(write_capture(tmp_path / "jumbo.pcap", [frame]))
    assert reading.differences(event.fields) == {}
    assert event.fields.length == size


def test_longest_test_run(replaying: CaptureObject) -> None:
    frame = udp_frame(TEST_RUN_MAX_BYTES - 16)
    event = replaying.replay(frame)
    assert event.fields.length == len(frame)
    assert event.fields.payload_length == 65535 - 28  # the rest is beyond the IP packet


@pytest.mark.parametrize("headers", [1, 2, 3, 8])
def test_header_beyond_the_linear_part(headers: int, capturing: CaptureObject) -> None:
    frame = deep_frame(headers)
    fields = capturing.event("xdp_ingress", frame).fields
    assert (fields.source_port, fields.destination_port, fields.tcp_seq) == (1000, 2000, 3)
    assert fields.payload_length == len(b"payload")
    assert fields.length == len(frame)


@pytest.mark.parametrize("tag", [b"", b"\x81\x00\x00\x05"])
def test_header_across_the_edge_of_the_linear_part(tag: bytes, replaying: CaptureObject) -> None:
    """Wherever the page ends, TCP's header is read: from here, from there, from both."""
    for options in range(3240, 3520, 8):
        second = options - OPTIONS_BYTES
        body = bytes((60, OPTIONS_BYTES // 8 - 1)) + bytes(OPTIONS_BYTES - 2)
        body += bytes((6, second // 8 - 1)) + bytes(second - 2)
        body += struct.pack(">HHIIHHHH", 1000, 2000, 3, 4, 0x5018, 5, 0, 0) + bytes(2000)
        ip = struct.pack(">IHBB", 6 << 28, len(body), 60, 64) + bytes(range(32))
        fields = replaying.replay(ETHERNET + tag + b"\x86\xdd" + ip + body).fields
        assert (fields.source_port, fields.tcp_window, fields.payload_length) == (1000, 5, 2000)
        assert fields.parse == {"ipv6_extensions"}


def test_old_kernels_read_the_linear_part(linear: CaptureObject) -> None:
    fields = linear.event("xdp_ingress", deep_frame(1)).fields
    assert fields.source_port == 1000
    for size in (MINIMUM_FRAME_BYTES, 60, 1514, 3000):
        assert linear.event("xdp_ingress", udp_frame(max(size, 42))).fields.source_port == 1000
