# SPDX-License-Identifier: Apache-2.0
"""The counters the ledger is made of, as each stage hands them over."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

# enum counter_slot of bpf/maps.h, in its order: (hook, direction).
COUNTER_SLOTS = (
    ("tc", "ingress"),
    ("tc", "egress"),
    ("xdp", "ingress"),
    ("socket", "ingress"),
    ("socket", "egress"),
)
Slot = tuple[str, str]


@dataclass(frozen=True, slots=True)
class HookCounters:
    """struct hook_counters of bpf/maps.h: every packet's fate at one hook."""

    seen: int = 0
    segments: int = 0  # wire packets in those seen; not a fate
    filtered_self: int = 0
    ring_full: int = 0
    emitted: int = 0

    def __add__(self, other: HookCounters) -> HookCounters:
        return HookCounters(
            *(getattr(self, name.name) + getattr(other, name.name) for name in fields(self))
        )

    @property
    def unaccounted(self) -> int:
        """Packets seen whose fate is not known; below zero: a fate without a packet."""
        return self.seen - self.filtered_self - self.ring_full - self.emitted


@dataclass(frozen=True, slots=True)
class KernelCounters:
    """What the kernel programs counted, per hook and CPU, and the ring's fill at that time."""

    per_cpu: Mapping[Slot, tuple[HookCounters, ...]] = field(default_factory=dict)
    # Records each CPU has emitted, by the sequence it would give to the next one.
    sequences: tuple[int, ...] = ()
    ring_fill_bytes: int = 0
    ring_bytes: int = 0

    def hook(self, slot: Slot) -> HookCounters:
        """One hook's counters, all CPUs together."""
        return sum(self.per_cpu.get(slot, ()), HookCounters())

    @property
    def total(self) -> HookCounters:
        """All hooks and CPUs together."""
        return sum((self.hook(slot) for slot in self.per_cpu), HookCounters())


class PumpCounters(Protocol):
    """What hotpath.Pump counts; this package only reads it."""

    @property
    def drained(self) -> int: ...
    @property
    def rejected(self) -> Mapping[str, int]: ...
    @property
    def encoded(self) -> int: ...
    @property
    def open_events(self) -> int: ...
    @property
    def sealed_events(self) -> int: ...
    @property
    def taken_events(self) -> int: ...
    @property
    def sequence_gaps(self) -> int: ...
    @property
    def pauses(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def raw_bytes(self) -> int: ...
    @property
    def sealed_bytes(self) -> int: ...
    @property
    def cpu_ns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class NoPump:
    """The counters of a pump that has not started."""

    drained: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    encoded: int = 0
    open_events: int = 0
    sealed_events: int = 0
    taken_events: int = 0
    sequence_gaps: int = 0
    pauses: int = 0
    batches: int = 0
    raw_bytes: int = 0
    sealed_bytes: int = 0
    cpu_ns: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryCounters:
    """What became of the events that were handed to delivery.

    Every event is in exactly one of queued, in flight, acknowledged, failed.
    """

    queued_events: int = 0
    in_flight_events: int = 0
    acknowledged_events: int = 0
    failed_events: Mapping[str, int] = field(default_factory=dict)  # by reason
    queued_bytes: int = 0
    in_flight_bytes: int = 0
    acknowledged_bytes: int = 0
    acknowledged_batches: int = 0
    retries: int = 0  # requests sent again
