# SPDX-License-Identifier: Apache-2.0
"""The built BPF object under test runs: frames in, records out."""

from __future__ import annotations

import contextlib
import struct
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from pybpf import Object, PermissionDenied, RingBuffer
from tests.support.packet_event import PacketEvent, decode
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAMS = (
    *("tc_ingress", "tc_egress", "tc_ingress_l3", "tc_egress_l3"),
    *("xdp_ingress", "xdp_ingress_l3", "socket_filter", "socket_filter_l3"),
)
XDP_FRAGMENTS = 1 << 5  # BPF_F_XDP_HAS_FRAGS
VERDICTS = {"xdp": 2, "tc": 0xFFFFFFFF, "socket": 0}  # XDP_PASS, TCX_NEXT, queue nothing
MINIMUM_FRAME_BYTES = 14  # of a test run
REPLAY_ETHERNET, REPLAY_NO_LINK_LAYER = 0, 1
# A socket filter's test run takes a link-layer header off before the program.
UNSEEN_HEADER = bytes(12) + b"\x88\xb5"

COUNTERS = ("seen", "segments", "filtered_self", "ring_full", "emitted")
SLOTS = ("tc_ingress", "tc_egress", "xdp_ingress", "socket_ingress", "socket_egress")


META_BYTES = 16


def xdp_context(frame_bytes: int, meta_bytes: int = META_BYTES) -> bytes:
    """struct xdp_md for a frame behind its metadata."""
    return struct.pack("=6I", meta_bytes, meta_bytes + frame_bytes, 0, 0, 0, 0)


def skb_context(*, wire_len: int = 0, gso_segs: int = 0, gso_size: int = 0) -> bytes:
    """struct __sk_buff, as far as a test run takes it."""
    context = bytearray(192)
    struct.pack_into("=II", context, 160, wire_len, gso_segs)
    struct.pack_into("=I", context, 176, gso_size)
    return bytes(context)


class CaptureObject:
    """The object, loaded with those switches; one at a time may be read."""

    def __init__(
        self, programs: Iterable[str], *, ring_bytes: int = 8 << 20, **rodata: int
    ) -> None:
        with as_file(files("streamer.capture") / "capture.bpf.o") as path:
            require(path.is_file(), "the BPF object is not built")
            self.object = Object.open(path)
        wanted = set(programs)
        try:
            for name, program in self.object.programs.items():
                program.set_autoload(name in wanted)
                if rodata.get("use_xdp_load_bytes") and name.startswith("xdp"):
                    program.set_flags(XDP_FRAGMENTS)
            self.object.set_max_entries("events", ring_bytes)
            for switch, value in {"ring_bytes": ring_bytes, **rodata}.items():
                self.object.set_rodata(switch, value)
            self.object.load()
            self.ring = RingBuffer(self.object.maps["events"])
        except PermissionDenied as error:
            self.object.close()
            require(False, str(error))
        except BaseException:
            self.object.close()
            raise

    def close(self) -> None:
        with contextlib.closing(self.object), contextlib.closing(self.ring):
            pass

    def run(self, program: str, frame: bytes, ctx: bytes | None = None) -> int:
        """One test run; the program's verdict."""
        return self.object.programs[program].test_run(frame, ctx=ctx, output_bytes=0).retval

    def records(self) -> list[bytes]:
        """What is in the ring, taken out."""
        with self.ring.lease() as lease:
            return [bytes(record) for record in lease]

    def events(self) -> list[PacketEvent]:
        return [decode(record) for record in self.records()]

    def event(self, program: str, frame: bytes, ctx: bytes | None = None) -> PacketEvent:
        """One test run and its one event."""
        assert self.run(program, frame, ctx) == VERDICTS[program.partition("_")[0]]
        [event] = self.events()
        return event

    def replay(
        self,
        frame: bytes,
        *,
        wire_length: int | None = None,
        timestamp_ns: int = 0,
        link: int = REPLAY_ETHERNET,
    ) -> PacketEvent:
        """One packet of a capture, `replay` being on; a frame may be shorter than a test run's."""
        length = len(frame) if wire_length is None else wire_length
        padding = max(MINIMUM_FRAME_BYTES - len(frame), 0)
        meta = struct.pack("=QIHH", timestamp_ns, length, link, padding)
        return self.event(
            "xdp_ingress", meta + frame + bytes(padding), xdp_context(len(frame) + padding)
        )

    def counters(self, slot: str) -> dict[str, int]:
        key = struct.pack("=I", SLOTS.index(slot))
        values = self.object.maps["counters"].get(key, per_cpu=True)
        assert values is not None
        columns = zip(*(struct.unpack("=5Q", value) for value in values), strict=True)
        return dict(zip(COUNTERS, map(sum, columns), strict=True))
