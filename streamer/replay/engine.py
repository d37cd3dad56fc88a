# SPDX-License-Identifier: Apache-2.0
"""Packets through the capture program, one test run each; its records through the pump."""

from __future__ import annotations

import errno
import hashlib
import struct
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Self

from hotpath.json_encoder import EventEncoder
from hotpath.pump import Pump
from pybpf import PybpfError, RingBuffer
from streamer.capture.counters import read_counters
from streamer.capture.programs import (
    Switches,
    explain,
    load,
    needed_capabilities,
    require_capabilities,
)
from streamer.identity import short_id
from streamer.replay.link_types import (
    ETHERNET,
    ETHERNET_HEADER_BYTES,
    describe,
    without_ethernet,
)
from streamer.schema import constants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hotpath.sealed_batch import SealedBatch
    from pybpf import Object
    from streamer.config import Settings
    from streamer.observe.counters import KernelCounters, PumpCounters
    from streamer.replay.source import Packet

AGENT_ID = "replay"

_PROGRAM = "xdp_ingress"
_RING_BYTES = 8 << 20
_NO_CLOCK_NS = 0  # batches are sealed when full, not when old
_RUNS_PER_DRAIN = 4096  # a sixteenth of the ring: it never fills
_META = struct.Struct("=QIHBB")  # struct replay_meta of bpf/config.h
_CONTEXT = struct.Struct("=6I")  # struct xdp_md: data, data_end, data_meta, three that stay 0
_LINK_ETHERNET, _LINK_NONE = 0, 1  # enum replay_link

# A test run takes this many bytes of a frame: the linear part and the fragments of one packet of
# XDP (x86-64), and without fragments one page less what surrounds the frame in it. The program
# reads headers only, so that a longer frame, cut to this, gives the same event.
_LONGEST_RUN_BYTES = 73_152
_LONGEST_RUN_WITHOUT_FRAGMENTS_BYTES = 3_072
_TOO_LONG = frozenset({errno.ENOMEM, errno.EINVAL, errno.E2BIG})
_MOST_TIMESTAMP_NS = (1 << 63) - 1  # in the year 2262


def ephemeral_id(file_digests: Iterable[bytes]) -> str:
    """Name a run after what it reads: the same files, in the same order, are the same run."""
    return short_id(hashlib.sha256(b"".join(file_digests)).digest())


class Engine:
    """Makes the events of packets; a context manager that loads the program."""

    def __init__(
        self,
        settings: Settings,
        identity: str,
        partitions: int | None,
    ) -> None:
        """Make record batches for that many partitions, or, for None, lines of JSON."""
        self._settings = settings
        self._identity = identity
        self._partitions = partitions
        self._opened = ExitStack()
        self.packets = 0  # read
        self.skipped: Counter[str] = Counter()  # by reason: these gave no event
        self._longest_run_bytes = _LONGEST_RUN_BYTES

    def __enter__(self) -> Self:
        require_capabilities(needed_capabilities("xdp"), "replaying (test runs of the program)")
        with ExitStack() as opened:
            self._object: Object = opened.enter_context(
                load((_PROGRAM,), _RING_BYTES, Switches(replay=True))
            )
            self._ring = opened.enter_context(RingBuffer(self._object.maps["events"]))
            self._pump = self._make_pump()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def batches(self, packets: Iterable[Packet]) -> Iterator[SealedBatch | None]:
        """Run the packets in order; give what is sealed meanwhile, each the caller's to release.

        None asks the caller to release some of what it holds: memory is used up.
        """
        remaining = iter(packets)
        packets_before = -1
        while self.packets > packets_before:
            packets_before = self.packets
            yield from self._drain(self._run(islice(remaining, _RUNS_PER_DRAIN)))

    def last_batches(self) -> Iterator[SealedBatch | None]:
        """Seal what is still open; as batches()."""
        while True:
            self._pump.flush()
            batches = self._pump.take()
            yield from batches
            if not self._pump.counters().open_events:
                return
            if not batches:
                yield None

    def counters(self) -> tuple[KernelCounters, PumpCounters]:
        """What program and pump have counted."""
        pump = self._pump.counters()
        return read_counters(self._object, self._ring), pump

    # ------------------------------------------------------------- per packet
    def _run(self, packets: Iterable[Packet]) -> int:
        """Run each packet; give how many events the ring has for it."""
        test_run = self._object.programs[_PROGRAM].test_run
        pack_meta, pack_context = _META.pack, _CONTEXT.pack
        skipped = self.skipped
        packets_read = events = 0
        for timestamp_ns, wire_length, link_type, data in packets:
            packets_read += 1
            if link_type == ETHERNET:
                frame, link, header_bytes = data, _LINK_ETHERNET, 0
            else:
                other = without_ethernet(link_type)
                if other is None:
                    skipped[f"of link type {describe(link_type)}"] += 1
                    continue
                frame = other.to_frame(data)
                link = _LINK_NONE if frame else _LINK_ETHERNET
                header_bytes = other.header_bytes
            if not 0 <= timestamp_ns <= _MOST_TIMESTAMP_NS:
                skipped["from before 1970 or after 2262"] += 1
                continue
            padding = ETHERNET_HEADER_BYTES - len(frame)
            if padding > 0:
                frame += bytes(padding)
            else:
                padding = 0
                if len(frame) > self._longest_run_bytes:
                    frame = frame[: self._longest_run_bytes]
            run = pack_meta(timestamp_ns, wire_length, link, padding, header_bytes) + frame
            try:
                test_run(run, ctx=pack_context(_META.size, len(run), 0, 0, 0, 0), output_bytes=0)
            except PybpfError as error:
                self._run_shorter(run, error)
            events += 1
        self.packets += packets_read
        return events

    def _run_shorter(self, run: bytes, error: PybpfError) -> None:
        """Run a packet that was too long for this kernel, and cut those to come."""
        longest = _LONGEST_RUN_WITHOUT_FRAGMENTS_BYTES
        if error.errno not in _TOO_LONG or len(run) <= _META.size + longest:
            raise explain(error) from error
        self._longest_run_bytes = longest
        run = run[: _META.size + longest]
        context = _CONTEXT.pack(_META.size, len(run), 0, 0, 0, 0)
        try:
            self._object.programs[_PROGRAM].test_run(run, ctx=context, output_bytes=0)
        except PybpfError as still:
            raise explain(still) from still

    # -------------------------------------------------------------- per drain
    def _drain(self, events: int) -> Iterator[SealedBatch | None]:
        """Take these events out of the ring."""
        drained = 0
        while drained < events:
            step = self._pump.step(_NO_CLOCK_NS)
            batches = self._pump.take()
            yield from batches
            if not step and not batches:
                yield None
            drained += step

    def _make_pump(self) -> Pump:
        settings = self._settings
        event_constants, top_constants = constants() if settings.encode.constants else (b"", b"")
        encoder = EventEncoder(
            agent_id=AGENT_ID,
            ephemeral_id=self._identity,
            community_id_seed=settings.encode.community_id_seed,
            constants=top_constants,
            event_constants=event_constants,
            flow_cache_bytes=settings.encode.flow_cache_bytes,
        )
        if self._partitions is None:
            return Pump(
                self._ring,
                encoder,
                framing="lines",
                compression="none",
                memory_bytes=settings.batch.memory_bytes,
            )
        return Pump(
            self._ring,
            encoder,
            partitions=self._partitions,
            compression=settings.batch.compression,
            batch_bytes=settings.batch.bytes,
            memory_bytes=settings.batch.memory_bytes,
        )
