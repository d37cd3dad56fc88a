# SPDX-License-Identifier: Apache-2.0
"""The kernel programs' counters, read from their per-CPU maps."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from streamer.observe.counters import COUNTER_SLOTS, HookCounters, KernelCounters

if TYPE_CHECKING:
    from pybpf import Object, RingBuffer

_KEY = struct.Struct("=I")
_COUNTERS = struct.Struct("=5Q")  # struct hook_counters
_SEQUENCE = struct.Struct("=Q")


def read_counters(loaded: Object, ring: RingBuffer) -> KernelCounters:
    """One snapshot; what the programs do meanwhile may be in one number and not yet in another."""
    fill_bytes = ring.fill_bytes
    counters = loaded.maps["counters"]
    per_cpu = {}
    for index, slot in enumerate(COUNTER_SLOTS):
        values = counters.get(_KEY.pack(index), per_cpu=True) or []
        per_cpu[slot] = tuple(HookCounters(*_COUNTERS.unpack(value)) for value in values)
    sequences = loaded.maps["sequences"].get(_KEY.pack(0), per_cpu=True) or []
    return KernelCounters(
        per_cpu=per_cpu,
        sequences=tuple(_SEQUENCE.unpack(value)[0] for value in sequences),
        ring_fill_bytes=fill_bytes,
        ring_bytes=ring.capacity,
    )
