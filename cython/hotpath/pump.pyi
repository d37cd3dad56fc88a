# SPDX-License-Identifier: Apache-2.0
from typing import Literal

from hotpath.json_encoder import EventEncoder
from hotpath.pump_counters import PumpCounters
from hotpath.sealed_batch import SealedBatch
from pybpf import RingBuffer

REJECTION_REASONS: tuple[str, ...]

class Pump:
    """Drains one ring into sealed batches.

    Either start() and stop(), which do it in a native thread, or step(), which does it here and
    with the caller's clock. The thread never holds the GIL.

    framing "kafka" makes record batches of each partition, by murmur2 of the event's key; events
    without a key go to one partition after the other, a batch each. "lines" makes lines of JSON,
    in one partition and without compression.

    batch_bytes bounds a batch before compression (default 512 KiB, without compression 128 KiB),
    linger_ns the age of its first event. memory_bytes bounds the sealed batches that were not
    released yet: when it is used up the pump pauses, and the kernel counts what the ring does not
    take; it goes on when batches are released.
    """

    def __init__(
        self,
        ring: RingBuffer,
        encoder: EventEncoder,
        *,
        partitions: int = 1,
        framing: Literal["kafka", "lines"] = "kafka",
        compression: Literal["lz4", "none"] = "lz4",
        batch_bytes: int | None = None,
        linger_ns: int = 200_000_000,
        memory_bytes: int = 67_108_864,
        poll_timeout_ms: int = 10,
        name: str = "pump-0",
    ) -> None: ...
    @property
    def running(self) -> bool:
        """Whether the thread pumps."""

    @property
    def memory_used_bytes(self) -> int:
        """Memory of sealed batches that were not released."""

    def start(self) -> None:
        """Start the thread. The ring is the pump's until stop(): it can't be leased or closed."""

    def stop(self, deadline_s: float = 10.0) -> None:
        """Drain the ring until it is empty, seal everything, end the thread.

        For after detaching: while programs still write, it ends at the deadline only. Blocks
        without the GIL; if memory is used up, batches must be released meanwhile, from another
        thread. What can't be drained by the deadline stays in the ring. Without a thread it drains
        and seals here. Again does nothing.
        """

    def request_stop(self, deadline_s: float = 10.0) -> None:
        """Begin stop() and return at once; at the end fileno() becomes readable."""

    def join(self) -> None:
        """Wait for the end that request_stop() asked for."""

    def step(self, now_ns: int) -> int:
        """Drain what the ring holds on this thread, as if it were now_ns; returns the records.

        Batches are sealed when full, or older than linger_ns at now_ns. While memory is used up it
        drains nothing: take and release, then call again.
        """

    def flush(self) -> None:
        """Seal the open batches: the thread soon, without a thread at once."""

    def take(self) -> list[SealedBatch]:
        """All batches sealed since the last call, in order; each is the caller's to release."""

    def fileno(self) -> int:
        """A descriptor that is readable when there is something to take, or the thread ended."""

    def set_utc_offset_ns(self, utc_offset_ns: int) -> None:
        """What is added to the events' clock to have UTC; holds for what is drained from now."""

    def set_interface(self, ifindex: int, name: str | bytes) -> None:
        """Name an interface; holds for all packets that come after this returned."""

    def counters(self) -> PumpCounters:
        """One consistent snapshot; from any thread."""
