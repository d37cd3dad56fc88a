# SPDX-License-Identifier: Apache-2.0
"""What the tests of the pump share: making one, emptying it, checking its ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import lz4.frame
import orjson
from aiokafka.record.memory_records import MemoryRecords

from hotpath.json_encoder import EventEncoder
from hotpath.pump import Pump

if TYPE_CHECKING:
    from collections.abc import Callable

    from hotpath.pump_counters import PumpCounters
    from hotpath.sealed_batch import SealedBatch
    from pybpf import RingBuffer

HEADER_BYTES = 61


def make_pump(ring: RingBuffer, **settings: Any) -> Pump:
    encoder = EventEncoder(agent_id="agent", ephemeral_id="ephemeral123", host_name="host")
    return Pump(ring, encoder, **settings)


def poll(done: Callable[[], bool], what: str, deadline_s: float = 20.0) -> None:
    """Wait until it is done; no longer than the deadline."""
    end = time.monotonic() + deadline_s
    while not done():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(0.002)


def checked(counters: PumpCounters) -> PumpCounters:
    """The ledger closes in every snapshot."""
    assert counters.drained == sum(counters.rejected.values()) + counters.encoded
    assert counters.encoded == (
        counters.open_events + counters.sealed_events + counters.taken_events
    )
    return counters


def records_of(batch: SealedBatch) -> list[tuple[bytes | None, bytes]]:
    """Key and document of each record, by aiokafka's parser."""
    data = bytes(batch)
    attributes = data[22]
    if attributes & 7 == 3:
        # Its parser reads LZ4 with a package that is not here: hand it the plain records.
        data = data[:22] + bytes([attributes & ~7]) + data[23:HEADER_BYTES]
        data += lz4.frame.decompress(bytes(batch)[HEADER_BYTES:])
        data = data[:8] + (len(data) - 12).to_bytes(4, "big") + data[12:]
    parsed = MemoryRecords(data).next_batch()
    assert parsed is not None
    records = [(record.key, record.value or b"") for record in parsed]
    assert len(records) == batch.events
    return records


def sequences_of(batch: SealedBatch) -> list[int]:
    documents = [orjson.loads(document) for _, document in records_of(batch)]
    numbers = [document["event"]["sequence"] for document in documents]
    assert numbers == sorted(numbers)
    assert numbers[0] == batch.first_sequence
    return numbers


def take_and_release(pump: Pump) -> list[int]:
    """The sequence numbers of everything that can be taken now."""
    numbers: list[int] = []
    for batch in pump.take():
        numbers += sequences_of(batch)
        batch.release()
    return numbers
