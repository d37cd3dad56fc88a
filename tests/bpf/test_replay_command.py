# SPDX-License-Identifier: Apache-2.0
"""`streamer replay`: one event per packet, equal to tshark's reading, the same each time."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import capture_files as make
from tests.support import tshark
from tests.support.frames import build
from tests.support.packet_fields import PacketFields, from_document
from tests.support.requirements import require

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

START_NS = 1_700_000_000_123_456_789
FRAMES = build()
Document = dict[str, Any]
Done = subprocess.CompletedProcess[bytes]


def replay(*arguments: object, privileges: tuple[str, ...] = ()) -> Done:
    command = [*privileges, sys.executable, "-m", "streamer", "replay", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


def documents(*files: Path, exit_code: int = 0) -> list[Document]:
    done = replay(*files)
    assert done.returncode == exit_code, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def nanoseconds(text: str) -> int:
    """Read @timestamp: datetime knows microseconds only."""
    whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    assert text[19] == "."
    assert text[29:] == "Z"
    seconds = (whole - datetime.fromtimestamp(0, UTC)) // timedelta(seconds=1)
    return seconds * 10**9 + int(text[20:29])


def nano_pcap(frames: list[bytes], link_type: int = 1) -> bytes:
    packets = [(START_NS + 1001 * n, len(frame), frame) for n, frame in enumerate(frames)]
    return make.pcap(packets, link_type=link_type, nanoseconds=True)


def assert_as_tshark(path: Path) -> list[Document]:
    events = documents(path)
    readings = tshark.read(path)
    assert len(events) == len(readings)
    for number, (event, reading) in enumerate(zip(events, readings, strict=True)):
        assert reading.differences(from_document(event)) == {}, number
        assert event["event"]["sequence"] == number
    return events


# ---------------------------------------------------------------- link types
def test_ethernet(tmp_path: Path) -> None:
    path = tmp_path / "frames.pcap"
    path.write_bytes(nano_pcap(list(FRAMES.values())))
    events = assert_as_tshark(path)
    assert len(events) == len(FRAMES)
    assert [nanoseconds(event["@timestamp"]) for event in events] == [
        START_NS + 1001 * n for n in range(len(events))
    ]
    assert {event["agent"]["id"] for event in events} == {"replay"}
    assert {len(event["agent"]["ephemeral_id"]) for event in events} == {12}


def packets_without_link_layer() -> list[tuple[int, bytes]]:
    """Ethertype and packet of every untagged frame."""
    found = []
    for frame in FRAMES.values():
        ethertype = int.from_bytes(frame[12:14], "big")
        if ethertype in (0x0800, 0x86DD) and frame[14] >> 4 in (4, 6):
            found.append((ethertype, frame[14:]))
    return found


def sll(ethertype: int) -> bytes:
    return struct.pack("!HHH8sH", 0, 1, 6, b"\x02\x00\x00\x00\x00\x01", ethertype)


def sll2(ethertype: int) -> bytes:
    return struct.pack("!HHIHBB8s", ethertype, 0, 3, 1, 0, 6, b"\x02\x00\x00\x00\x00\x01")


@pytest.mark.parametrize(("name", "link_type"), [("raw", 101), ("sll", 113), ("sll2", 276)])
def test_other_link_types(tmp_path: Path, name: str, link_type: int) -> None:
    header = {"raw": lambda _: b"", "sll": sll, "sll2": sll2}[name]
    packets = [header(ethertype) + packet for ethertype, packet in packets_without_link_layer()]
    path = tmp_path / "capture.pcap"
    path.write_bytes(nano_pcap(packets, link_type))
    assert len(assert_as_tshark(path)) > 30


def test_link_types_mixed_in_one_file(tmp_path: Path) -> None:
    frame = FRAMES["tcp"]
    data = make.section("<") + make.interface("<", 1) + make.interface("<", 101)
    data += make.interface("<", 105) + make.interface("<", 276)
    packets = (frame, frame[14:], bytes(40), sll2(0x0800) + frame[14:])
    for index, packet in enumerate(packets):
        data += make.enhanced("<", index, START_NS // 1000, len(packet), packet)
    path = tmp_path / "mixed.pcapng"
    path.write_bytes(data)
    done = replay(path)
    assert done.returncode == 3
    assert b"no event for 1 packet of link type IEEE 802.11 (105)" in done.stderr
    fields = [from_document(json.loads(line)) for line in done.stdout.splitlines()]
    first, raw, cooked = fields
    without_macs = dataclasses.replace(first, source_mac=None, destination_mac=None)
    assert raw == dataclasses.replace(without_macs, length=first.length - 14)
    assert cooked == dataclasses.replace(without_macs, length=first.length - 14 + 20)


# --------------------------------------------------------------------- sizes
def test_every_length_from_nothing_on(tmp_path: Path) -> None:
    """Also those under an Ethernet header, and over what a test run takes."""
    whole = FRAMES["udp"]
    header_bytes = 14 + 20 + 8
    lengths = [*range(60), 3_500, 9_000, 73_152, 73_153, 262_144]
    frames = [whole[:length] + bytes(max(0, length - len(whole))) for length in lengths]
    packets = [(START_NS // 1000 + n, 300_000, frame) for n, frame in enumerate(frames)]
    path = tmp_path / "sizes.pcap"
    path.write_bytes(make.pcap(packets))
    events = documents(path)
    assert len(events) == len(packets)
    for event, reading, length in zip(events, tshark.read(path), lengths, strict=True):
        assert event["packet"]["length"] == 300_000
        if length < header_bytes:
            assert event["packet"]["parse"] == ["truncated"]
        else:
            assert reading.differences(from_document(event)) == {}


def test_times_nobody_can_write(tmp_path: Path) -> None:
    frame = FRAMES["tcp"]
    data = make.section("<") + make.interface("<", 1, resolution=0)
    for seconds in (0, 1, 2**63 // 10**9, 2**63 // 10**9 + 1, 2**63):
        data += make.enhanced("<", 0, seconds, len(frame), frame)
    path = tmp_path / "times.pcapng"
    path.write_bytes(data)
    done = replay(path)
    assert done.returncode == 3
    assert b"no event for 2 packets from before 1970 or after 2262" in done.stderr
    assert len(done.stdout.splitlines()) == 3


# ---------------------------------------------------------------- whole files
def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    data = nano_pcap(list(FRAMES.values()))
    one.write_bytes(data)
    two.write_bytes(data)
    other.write_bytes(nano_pcap(list(FRAMES.values())[1:]))
    first = replay(one).stdout
    assert first == replay(two).stdout
    written = tmp_path / "events"
    assert replay(one, "--output", written).returncode == 0
    assert written.read_bytes() == first
    identities = {d["agent"]["ephemeral_id"] for d in (*documents(one), *documents(other))}
    assert len(identities) == 2


def test_files_one_after_the_other(tmp_path: Path) -> None:
    names = ["b.pcap", "a.pcap.gz"]
    frames = random.Random(1).choices([FRAMES["tcp"], FRAMES["udp6"]], k=9000)
    (tmp_path / names[0]).write_bytes(nano_pcap(frames[:6000]))
    (tmp_path / names[1]).write_bytes(gzip.compress(nano_pcap(frames[6000:])))
    events = documents(*(tmp_path / name for name in names))
    assert [event["event"]["sequence"] for event in events] == list(range(9000))
    expected = ["tcp" if frame is FRAMES["tcp"] else "udp" for frame in frames]
    assert [event["network"]["transport"] for event in events] == expected


def test_a_cut_file_gives_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(nano_pcap([FRAMES["tcp"]] * 10)[:-3])
    done = replay(path, "--ledger", tmp_path / "ledger")
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 9
    assert b"cut.pcap ends early: cut off inside a packet" in done.stderr
    ledger = json.loads((tmp_path / "ledger").read_text())
    assert ledger["packets"]["seen"] == ledger["records"]["acknowledged"] == 9


def test_no_packets(tmp_path: Path) -> None:
    path = tmp_path / "none.pcap"
    path.write_bytes(make.pcap([]))
    done = replay(path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"streamer: 0 packets read, 0 events out\n"


def test_only_packets_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "wlan.pcapng"
    data = make.section("<") + make.interface("<", 127)
    path.write_bytes(data + make.enhanced("<", 0, 0, 20, bytes(20)))
    done = replay(path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"streamer: none of 1 packet can be replayed: 1 of link type ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "no such file"), (b"", "is empty"), (b"#!/bin/sh\n", "is not a capture file")],
)
def test_what_is_no_capture(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path, sound = tmp_path / "input", tmp_path / "sound.pcap"
    sound.write_bytes(nano_pcap([FRAMES["tcp"]]))
    if content is not None:
        path.write_bytes(content)
    done = replay(sound, path)
    assert (done.returncode, done.stdout) == (1, b"")
    [line] = done.stderr.decode().splitlines()
    assert line.startswith(f"streamer: {path}")
    assert sentence in line


def test_the_capture_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    data = nano_pcap([FRAMES["tcp"]])
    path.write_bytes(data)
    assert replay(path, "--output", path).returncode == 2
    assert path.read_bytes() == data


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(nano_pcap([FRAMES["tcp"]] * 20_000))
    line = f"{sys.executable} -m streamer replay {path} | head -n 2; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert done.stderr == b""
    *events, code = done.stdout.splitlines()
    assert (len(events), code) == (2, b"0")


def test_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(nano_pcap([FRAMES["tcp"]]))
    done = replay(path, "--output", "/dev/full")
    assert done.returncode == 1
    assert done.stderr == b"streamer: cannot write /dev/full: No space left on device\n"


# ----------------------------------------------------------------- privileges
@pytest.mark.parametrize("lacking", ["bpf", "perfmon", "net_admin", None])
def test_privileges(tmp_path: Path, lacking: str | None) -> None:
    require(which("setpriv") is not None, "setpriv is not installed")
    path = tmp_path / "capture.pcap"
    path.write_bytes(nano_pcap([FRAMES["tcp"]]))
    held = [f"+{name}" for name in ("bpf", "perfmon", "net_admin") if name != lacking]
    done = replay(path, privileges=("setpriv", "--bounding-set", ",".join(["-all", *held])))
    if lacking is None:
        assert done.returncode == 0
        return
    assert (done.returncode, done.stdout) == (77, b"")
    assert f"CAP_{lacking.upper()} is missing" in done.stderr.decode()


def test_fields_are_compared(tmp_path: Path) -> None:
    """The comparison above would notice: another packet differs."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(nano_pcap([FRAMES["tcp"], FRAMES["udp"]]))
    first, second = documents(path)
    other: PacketFields = from_document(second)
    assert from_document(first).differences(other)
