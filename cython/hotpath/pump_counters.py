# SPDX-License-Identifier: Apache-2.0
"""What a pump counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PumpCounters:
    """One consistent snapshot.

    Always drained = the sum of rejected + encoded, and
    encoded = open_events + sealed_events + taken_events.
    """

    drained: int
    """Records read from the ring."""
    rejected: dict[str, int]
    """Records that were not encoded, by reason."""
    encoded: int
    open_events: int
    """Events in batches that still grow."""
    sealed_events: int
    """Events in sealed batches that nobody took yet."""
    taken_events: int
    sequence_gaps: int
    """Records that a CPU numbered but that never came out of the ring."""
    sequence_repeats: int
    """Records whose number had been there before."""
    pauses: int
    """How often the memory for sealed batches was used up."""
    paused: bool
    batches: int
    """Sealed so far."""
    raw_bytes: int
    """Bytes of records in sealed batches, before compression."""
    sealed_bytes: int
    """Bytes of sealed batches."""
    cpu_ns: int
    """CPU time of the thread that pumps."""
