# SPDX-License-Identifier: Apache-2.0
"""The ledger: what was seen equals what was acknowledged plus every counted loss.

Packets, per hook:   seen = filtered{self} + ring_full + emitted
Records:          emitted = in_ring + drained
                  drained = rejected{reason} + encoded
                  encoded = open + sealed + queued + in_flight + acknowledged + failed{reason}

Counters are read downstream first (delivery, pump, kernel), so that
an event on its way between two readings shows as unaccounted and never as
counted twice. While running, `unaccounted` is a bound; after detaching and
draining it is exactly what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamer.errors import ExitCode
from streamer.observe.counters import (
    COUNTER_SLOTS,
    DeliveryCounters,
    HookCounters,
    KernelCounters,
    NoPump,
    PumpCounters,
)

# The least a record takes in the ring: its header (16) and the ring's own (8).
MIN_RING_BYTES_PER_RECORD = 24


@dataclass(frozen=True, slots=True)
class Ledger:
    """One snapshot of every stage's counters, and what follows from them."""

    kernel: KernelCounters = field(default_factory=KernelCounters)
    pump: PumpCounters = field(default_factory=NoPump)
    delivery: DeliveryCounters = field(default_factory=DeliveryCounters)

    # ------------------------------------------------------------- stages
    @property
    def emitted(self) -> int:
        """Records the kernel put into the ring, by the sequences of its CPUs."""
        if self.kernel.sequences:
            return sum(self.kernel.sequences)
        return self.kernel.total.emitted

    @property
    def in_ring(self) -> int:
        """Records not yet drained, as far as the bytes in the ring can hold them.

        What the pump found missing by the sequences is not in the ring.
        """
        absent = self.emitted - self.pump.drained - self.pump.sequence_gaps
        room = self.kernel.ring_fill_bytes // MIN_RING_BYTES_PER_RECORD
        return max(0, min(absent, room))

    @property
    def rejected(self) -> int:
        """Records the pump could not read, all reasons together."""
        return sum(self.pump.rejected.values())

    @property
    def failed(self) -> int:
        """Events delivery gave up, all reasons together."""
        return sum(self.delivery.failed_events.values())

    # ------------------------------------------------------------- balance
    def differences(self) -> dict[str, int]:
        """Each equation's left side less its right side, by where it stands."""
        pump, delivery = self.pump, self.delivery
        result = {
            f"{hook} {direction}": self.kernel.hook((hook, direction)).unaccounted
            for hook, direction in COUNTER_SLOTS
        }
        result["sequences"] = self.kernel.total.emitted - self.emitted
        result["ring"] = self.emitted - self.in_ring - pump.drained
        result["pump"] = pump.drained - self.rejected - pump.encoded
        result["delivery"] = pump.encoded - (
            pump.open_events
            + pump.sealed_events
            + delivery.queued_events
            + delivery.in_flight_events
            + delivery.acknowledged_events
            + self.failed
        )
        return result

    @property
    def unaccounted_packets(self) -> int:
        """Packets seen by a hook whose fate is not known."""
        hooks = (self.kernel.hook(slot).unaccounted for slot in COUNTER_SLOTS)
        return sum(abs(difference) for difference in hooks)

    @property
    def unaccounted_records(self) -> int:
        """Records that entered a stage and are neither in it nor came out of it."""
        return self.unaccounted - self.unaccounted_packets

    @property
    def unaccounted(self) -> int:
        """Everything that is missing or too much, packets and records."""
        return sum(abs(difference) for difference in self.differences().values())

    @property
    def lost(self) -> int:
        """Events that will never arrive, for a counted reason."""
        return self.kernel.total.ring_full + self.rejected + self.failed

    @property
    def undelivered(self) -> int:
        """Events on their way; at the end of a run, those left behind."""
        waiting = self.pump.open_events + self.pump.sealed_events + self.delivery.queued_events
        return self.in_ring + waiting + self.delivery.in_flight_events

    @property
    def unread(self) -> int:
        """Events among the lost whose reader had gone: nobody misses them."""
        return self.delivery.failed_events.get("closed_pipe", 0)

    @property
    def exit_code(self) -> ExitCode:
        """How a run ends that has this as its last ledger."""
        complete = self.lost - self.unread == self.undelivered == self.unaccounted == 0
        return ExitCode.DONE if complete else ExitCode.LOSSES

    # --------------------------------------------------------------- shapes
    def as_dict(self) -> dict[str, Any]:
        """The stable layout of stats events and ledger files: always every member."""
        pump, delivery = self.pump, self.delivery
        hooks: dict[str, dict[str, Any]] = {}
        for hook, direction in COUNTER_SLOTS:
            counters = self.kernel.hook((hook, direction))
            hooks.setdefault(hook, {})[direction] = _packets(counters)
        return {
            "packets": {
                **_packets(self.kernel.total),
                "unaccounted": self.unaccounted_packets,
                "hooks": hooks,
            },
            "records": {
                "emitted": self.emitted,
                "in_ring": self.in_ring,
                "drained": pump.drained,
                "rejected": dict(sorted(pump.rejected.items())),
                "encoded": pump.encoded,
                "open": pump.open_events,
                "sealed": pump.sealed_events,
                "queued": delivery.queued_events,
                "in_flight": delivery.in_flight_events,
                "acknowledged": delivery.acknowledged_events,
                "failed": dict(sorted(delivery.failed_events.items())),
                "unaccounted": self.unaccounted_records,
            },
            "lost": self.lost,
            "undelivered": self.undelivered,
            "unaccounted": self.unaccounted,
            "pump": {
                "sequence_gaps": pump.sequence_gaps,
                "pauses": pump.pauses,
                "batches": pump.batches,
                "raw_bytes": pump.raw_bytes,
                "sealed_bytes": pump.sealed_bytes,
                "cpu_ns": pump.cpu_ns,
            },
            "delivery": {
                "queued_bytes": delivery.queued_bytes,
                "in_flight_bytes": delivery.in_flight_bytes,
                "acknowledged_bytes": delivery.acknowledged_bytes,
                "acknowledged_batches": delivery.acknowledged_batches,
                "retries": delivery.retries,
            },
            "ring": {
                "fill_bytes": self.kernel.ring_fill_bytes,
                "size_bytes": self.kernel.ring_bytes,
            },
        }

    def render(self) -> str:
        """The ledger for people: one aligned table, ending in `unaccounted N`."""
        return "\n".join([*self._packet_lines(), *self._record_lines(), *self._balance_lines()])

    def _packet_lines(self) -> list[str]:
        used = [slot for slot in COUNTER_SLOTS if self.kernel.hook(slot) != HookCounters()]
        columns = [(" ".join(slot), self.kernel.hook(slot)) for slot in used]
        if len(columns) != 1:
            columns.append(("all", self.kernel.total))
        rows = [
            ("seen", [counters.seen for _, counters in columns]),
            ("filtered (own traffic)", [counters.filtered_self for _, counters in columns]),
            ("dropped (ring full)", [counters.ring_full for _, counters in columns]),
            ("emitted", [counters.emitted for _, counters in columns]),
        ]
        heading = "".join(f"{title:>{_WIDTH}}" for title, _ in columns)
        return [f"{'packets':<{_LABEL}}{heading}", *(_row(label, row) for label, row in rows)]

    def _record_lines(self) -> list[str]:
        rejected = sorted(self.pump.rejected.items())
        failed = sorted(self.delivery.failed_events.items())
        on_the_way = [
            ("in the ring", self.in_ring),
            ("in open batches", self.pump.open_events),
            ("in sealed batches", self.pump.sealed_events),
            ("queued", self.delivery.queued_events),
            ("in flight", self.delivery.in_flight_events),
        ]
        rows = [
            ("drained", self.pump.drained),
            *((f"rejected ({reason})", count) for reason, count in rejected if count),
            ("encoded", self.pump.encoded),
            *((label, count) for label, count in on_the_way if count),
            *((f"failed ({reason})", count) for reason, count in failed if count),
            ("acknowledged", self.delivery.acknowledged_events),
        ]
        return ["records", *(_row(label, [count]) for label, count in rows)]

    def _balance_lines(self) -> list[str]:
        missing = [
            _row(f"unaccounted ({place})", [difference])
            for place, difference in self.differences().items()
            if difference
        ]
        return [*missing, f"unaccounted {self.unaccounted:,}"]


_LABEL = 26
_WIDTH = 15


def _row(label: str, values: list[int]) -> str:
    return f"  {label:<{_LABEL - 2}}" + "".join(f"{value:>{_WIDTH},}" for value in values)


def _packets(counters: HookCounters) -> dict[str, Any]:
    return {
        "seen": counters.seen,
        "segments": counters.segments,
        "filtered": {"self": counters.filtered_self},
        "dropped": {"ring_full": counters.ring_full},
        "emitted": counters.emitted,
        "unaccounted": counters.unaccounted,
    }
