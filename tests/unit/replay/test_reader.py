# SPDX-License-Identifier: Apache-2.0
"""Every packet as tshark and scapy read it; damage said, and everything before it given."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.errors import CaptureError
from streamer.replay.reader import CaptureFile
from tests.support import capture_files as make
from tests.support.requirements import require

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.replay.source import Packet

ETHERNET_FRAME = bytes.fromhex("ffffffffffff 020000000001 88b5") + bytes(range(46))
SECOND = 1_700_000_000

packet_lists = st.lists(
    st.tuples(st.integers(0, 2**31 * 10**6), st.integers(0, 2000), st.binary(max_size=200)),
    max_size=8,
)
orders = st.sampled_from(["<", ">"])
same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


def require_program(name: str) -> None:
    require(shutil.which(name) is not None, f"{name} is not installed")


def read(path: Path) -> tuple[list[Packet], str | None]:
    with CaptureFile(str(path)) as file:
        return list(file.packets()), file.damage


def read_bytes(tmp_path: Path, data: bytes) -> tuple[list[Packet], str | None]:
    path = tmp_path / "capture"
    path.write_bytes(data)
    return read(path)


def assert_same_as_tshark(path: Path) -> list[Packet]:
    require_program("tshark")
    packets, damage = read(path)
    assert damage is None
    theirs = make.read_by_tshark(path)
    assert [(p[0], p[1], p[3]) for p in packets] == [(s.time_ns, s.length, s.data) for s in theirs]
    return packets


# ------------------------------------------------------------ against scapy
@same_folder
@given(packets=packet_lists, order=orders, nanoseconds=st.booleans(), zipped=st.booleans())
def test_pcap_reads_as_scapy_reads(
    tmp_path: Path,
    packets: list[tuple[int, int, bytes]],
    order: str,
    nanoseconds: bool,
    zipped: bool,
) -> None:
    from scapy.utils import RawPcapReader

    data = make.pcap(packets, order=order, nanoseconds=nanoseconds)
    ours, damage = read_bytes(tmp_path, gzip.compress(data) if zipped else data)
    assert damage is None
    unit_ns = 1 if nanoseconds else 1000
    with RawPcapReader(io.BytesIO(data)) as reader:
        theirs = [
            (m.sec * 10**9 + m.usec * unit_ns, m.wirelen, reader.linktype, d) for d, m in reader
        ]
    assert ours == theirs


@same_folder
@given(packets=packet_lists, order=orders, comment=st.binary(max_size=9))
def test_pcapng_reads_as_scapy_reads(
    tmp_path: Path, packets: list[tuple[int, int, bytes]], order: str, comment: bytes
) -> None:
    from scapy.utils import RawPcapNgReader

    data = make.section(order) + make.interface(order)
    for time, length, content in packets:
        data += make.enhanced(order, 0, time, length, content, comment=comment)
    ours, damage = read_bytes(tmp_path, data)
    assert damage is None
    with RawPcapNgReader(io.BytesIO(data)) as reader:
        theirs = [((m.tshigh << 32 | m.tslow) * 1000, m.wirelen, m.linktype, d) for d, m in reader]
    assert ours == theirs


def test_what_scapy_writes_is_read(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.utils import PcapNgWriter, PcapWriter

    packets = [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") for _ in range(5)]
    packets = [packet / IP() / UDP() / bytes(n) for n, packet in enumerate(packets)]
    for n, packet in enumerate(packets):
        packet.time = SECOND + n
    for name, writer in (("a.pcap", PcapWriter), ("a.pcapng", PcapNgWriter)):
        path = tmp_path / name
        with writer(str(path)) as stream:
            for packet in packets:
                stream.write(packet)
        ours, damage = read(path)
        assert damage is None
        assert [p[3] for p in ours] == [bytes(packet) for packet in packets]
        assert [p[0] for p in ours] == [(SECOND + n) * 10**9 for n in range(5)]


# ----------------------------------------------------------- against tshark
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_reads_as_tshark_reads(tmp_path: Path, order: str, nanoseconds: bool) -> None:
    unit = 10**9 if nanoseconds else 10**6
    packets = [(SECOND * unit + n, 60 + n, ETHERNET_FRAME[: 60 - n]) for n in range(5)]
    path = tmp_path / "a.pcap"
    path.write_bytes(make.pcap(packets, order=order, nanoseconds=nanoseconds))
    assert len(assert_same_as_tshark(path)) == 5


def test_pcapng_with_everything_reads_as_tshark_reads(tmp_path: Path) -> None:
    """Both byte orders in one file, four clocks, several link types, old and simple packets."""
    data = b""
    for order in "<>":
        data += make.section(order)
        data += make.interface(order, 1)
        data += make.interface(order, 101, resolution=9)
        data += make.interface(order, 113, resolution=3, offset_s=3600)
        data += make.interface(order, 1, resolution=0x80 | 20, offset_s=-86400)
        data += make.enhanced(order, 0, SECOND * 10**6 + 5, 99, ETHERNET_FRAME, comment=b"hello")
        data += make.enhanced(order, 1, SECOND * 10**9 + 123456789, 21, b"\x45" + bytes(20))
        data += make.block(order, 5, bytes(24))  # statistics
        data += make.enhanced(order, 2, SECOND * 10**3 + 7, 20, bytes(20))
        data += make.enhanced(order, 3, SECOND << 20 | 1 << 19, 61, ETHERNET_FRAME + b"x")
        data += make.obsolete(order, 0, SECOND * 10**6 + 6, 60, ETHERNET_FRAME)
        data += make.block(order, 0x80000BAD, bytes(32))  # nobody knows this one
        data += make.enhanced(order, 0, SECOND * 10**6 + 7, 14, ETHERNET_FRAME[:14])
    path = tmp_path / "all.pcapng"
    path.write_bytes(data)
    packets = assert_same_as_tshark(path)
    assert [p[2] for p in packets] == [1, 101, 113, 1, 1, 1] * 2


def test_simple_packets_read_as_tshark_reads(tmp_path: Path) -> None:
    require_program("tshark")
    order = "<"
    data = make.section(order) + make.interface(order, snap_length=40)
    data += make.simple(order, 60, ETHERNET_FRAME[:40])
    data += make.simple(order, 33, ETHERNET_FRAME[:33])
    path = tmp_path / "simple.pcapng"
    path.write_bytes(data)
    packets, damage = read(path)
    assert damage is None
    theirs = make.read_by_tshark(path)
    # There is no timestamp in them.
    assert [(p[1], p[3]) for p in packets] == [(s.length, s.data) for s in theirs]
    assert [p[0] for p in packets] == [0, 0]


@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "pcapng"])
def test_what_wireshark_writes_is_read(tmp_path: Path, kind: str) -> None:
    require_program("editcap")
    source = tmp_path / "source.pcap"
    packets = [(SECOND * 10**9 + n, 60, ETHERNET_FRAME) for n in (0, 1000, 999_999_000)]
    source.write_bytes(make.pcap(packets, nanoseconds=True))
    path = tmp_path / "converted"
    subprocess.run(["editcap", "-F", kind, source, path], check=True, capture_output=True)
    assert len(assert_same_as_tshark(path)) == 3


def test_merged_link_types_are_told_apart(tmp_path: Path) -> None:
    require_program("mergecap")
    one, other, merged = (tmp_path / name for name in ("one.pcap", "other.pcap", "merged"))
    one.write_bytes(make.pcap([(SECOND * 10**6, 60, ETHERNET_FRAME)]))
    other.write_bytes(make.pcap([((SECOND + 1) * 10**6, 21, b"\x45" + bytes(20))], link_type=101))
    subprocess.run(["mergecap", "-w", merged, one, other], check=True, capture_output=True)
    assert [p[2] for p in assert_same_as_tshark(merged)] == [1, 101]


# ------------------------------------------------------------------- damage
def samples() -> dict[str, tuple[bytes, list[int]]]:
    """Bytes of a capture, and the offsets at which each packet is complete."""
    header = make.pcap([])
    packet = make.pcap([(SECOND * 10**6, 60, ETHERNET_FRAME)])[len(header) :]
    ends = [len(header) + n * len(packet) for n in (1, 2, 3)]
    start = make.section("<") + make.interface("<")
    enhanced = make.enhanced("<", 0, SECOND * 10**6, 60, ETHERNET_FRAME)
    blocks = [len(start) + n * len(enhanced) for n in (1, 2, 3)]
    return {"pcap": (header + packet * 3, ends), "pcapng": (start + enhanced * 3, blocks)}


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_cut_anywhere_gives_what_was_whole(tmp_path: Path, kind: str) -> None:
    data, ends = samples()[kind]
    header = ends[0] - (ends[1] - ends[0])
    # A pcapng file may also end cleanly before the interface description.
    sound = {header, *ends} | ({len(make.section("<"))} if kind == "pcapng" else set())
    shortest = min(sound)
    for cut in range(shortest, len(data) + 1):
        packets, damage = read_bytes(tmp_path, data[:cut])
        assert len(packets) == sum(end <= cut for end in ends), cut
        assert (damage is None) == (cut in sound), cut
    for cut in range(shortest):
        with pytest.raises(CaptureError):
            read_bytes(tmp_path, data[:cut])


def test_cut_gzip_gives_what_decompresses(tmp_path: Path) -> None:
    frames = [os.urandom(100) for _ in range(500)]
    data = make.pcap([(SECOND * 10**6 + n, 100, frame) for n, frame in enumerate(frames)])
    packed = gzip.compress(data)
    for part in (0.3, 0.5, 0.9):
        cut = packed[: int(len(packed) * part)]
        whole = subprocess.run(["gzip", "-dc"], input=cut, capture_output=True, check=False).stdout
        packets, damage = read_bytes(tmp_path, cut)
        assert damage is not None
        assert len(packets) >= (len(whole) - 24) // 116
        assert [p[3] for p in packets] == frames[: len(packets)]


@same_folder
@given(
    kind=st.sampled_from(["pcap", "pcapng"]),
    place=st.integers(0, 10_000),
    value=st.binary(min_size=1, max_size=8),
)
def test_any_damage_ends_in_a_sentence(tmp_path: Path, kind: str, place: int, value: bytes) -> None:
    data = bytearray(samples()[kind][0])
    place %= len(data)
    data[place : place + len(value)] = value
    try:
        packets, _ = read_bytes(tmp_path, bytes(data))
    except CaptureError as error:
        assert str(tmp_path) in error.message  # noqa: PT017 - either end is right
    else:
        assert all(len(p[3]) <= len(data) for p in packets)


@same_folder
@given(data=st.binary(max_size=400), order=orders)
def test_blocks_of_rubbish_end_in_a_sentence(tmp_path: Path, data: bytes, order: str) -> None:
    start = make.section(order) + make.interface(order)
    for kind in (1, 2, 3, 6):
        read_bytes(tmp_path, start + make.block(order, kind, data))


# --------------------------------------------------------------- other files
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"hello, world\n", "not a capture file"),
        (gzip.compress(b"hello, world\n"), "not a capture file"),
        (gzip.compress(b""), "is empty"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (make.pcap([])[:20], "ends before its first packet"),
        (gzip.compress(make.pcap([]))[:15], "ends before its first packet"),
        (make.pcap([], link_type=105), r"link type IEEE 802.11 \(105\)"),
        (make.pcap([], link_type=4711), "link type number 4711"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    with pytest.raises(CaptureError, match=expected) as caught:
        read_bytes(tmp_path, content)
    assert str(tmp_path / "capture") in caught.value.message


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such file"):
        read(tmp_path / "missing")
    with pytest.raises(CaptureError, match="Is a directory"):
        read(tmp_path)


def test_no_packets_is_a_capture(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, make.pcap([])) == ([], None)
    assert read_bytes(tmp_path, make.section("<")) == ([], None)


def test_a_pipe_is_read_twice(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = make.pcap([(SECOND * 10**6, 60, ETHERNET_FRAME)])
    writer = threading.Thread(target=lambda: pipe.write_bytes(data))
    writer.start()
    with CaptureFile(str(pipe)) as file:
        assert file.digest() == hashlib.sha256(data).digest()
        assert len(list(file.packets())) == 1
    writer.join()
