# SPDX-License-Identifier: Apache-2.0
"""The pump on the caller's thread and clock: framing, partitions, sealing, rejects, gaps."""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from hotpath.json_encoder import EventEncoder
from hotpath.partitioner import partition_for_key
from hotpath.pump import REJECTION_REASONS, Pump
from hotpath.record_batch import crc32c, stamp
from tests.support.pumping import (
    checked,
    make_pump,
    records_of,
    sequences_of,
    take_and_release,
)
from tests.support.records import HEADER, packet_record

if TYPE_CHECKING:
    from pybpf import RingBuffer
    from tests.support.records import RingMaker

pytestmark = pytest.mark.root
MILLISECOND = 1_000_000


@pytest.mark.parametrize("compression", ["lz4", "none"])
@pytest.mark.parametrize("partitions", [1, 3])
def test_every_record_becomes_one_event_in_order(
    raw_ring: RingMaker, compression: str, partitions: int
) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, compression=compression, partitions=partitions)
    records = [packet_record(i, flow=i % 37) for i in range(5000)]
    assert raw.emit(records) == 5000
    assert pump.step(0) == 5000
    assert raw.ring.fill_bytes == 0
    pump.flush()
    counters = checked(pump.counters())
    assert (counters.drained, counters.encoded, counters.open_events) == (5000, 5000, 0)
    found: dict[int, bytes] = {}
    batches = pump.take()
    assert sum(batch.events for batch in batches) == 5000
    for batch in batches:
        data = bytes(batch)
        assert len(data) == len(batch)
        assert struct.unpack_from(">I", data, 17)[0] == crc32c(data[21:])
        last: dict[bytes | None, int] = {}
        for key, document in records_of(batch):
            assert key is not None
            assert batch.partition == partition_for_key(key, partitions)
            parsed = orjson.loads(document)
            assert parsed["network"]["community_id"].encode() == key
            number = parsed["event"]["sequence"]
            assert last.get(key, -1) < number
            last[key] = number
            found[number] = document
    assert sorted(found) == list(range(5000))
    twin = EventEncoder(agent_id="agent", ephemeral_id="ephemeral123", host_name="host")
    for number in range(0, 5000, 617):
        assert found[number] == twin.encode(records[number], utc_offset_ns=0, sequence=number)
    assert checked(pump.counters()).taken_events == 5000


def test_lines(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, framing="lines", compression="none")
    raw.emit(packet_record(i) for i in range(1000))
    pump.step(0)
    pump.flush()
    batches = pump.take()
    text = b"".join(bytes(batch) for batch in batches)
    assert text.endswith(b"}\n")
    assert [json.loads(line)["event"]["sequence"] for line in text.splitlines()] == list(
        range(1000)
    )


def test_the_offset_and_the_interface_hold_for_later_packets(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, framing="lines", compression="none")
    raw.emit([packet_record(0, timestamp_ns=5)])
    pump.set_utc_offset_ns(1_000_000_000)
    pump.set_interface(7, "eth7")
    pump.step(0)
    pump.set_utc_offset_ns(2_000_000_000)
    pump.set_interface(7, "renamed")
    raw.emit([packet_record(1, timestamp_ns=5)])
    pump.step(0)
    pump.flush()
    first, second = (orjson.loads(line) for line in bytes(pump.take()[0]).splitlines())
    assert first["@timestamp"] == "1970-01-01T00:00:01.000000005Z"
    assert first["observer"]["ingress"]["interface"]["name"] == "eth7"
    assert second["@timestamp"] == "1970-01-01T00:00:02.000000005Z"
    assert second["observer"]["ingress"]["interface"]["name"] == "renamed"


def test_a_batch_is_sealed_when_its_first_event_is_old(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, linger_ns=100 * MILLISECOND)
    raw.emit([packet_record(0)])
    assert pump.step(10 * MILLISECOND) == 1
    raw.emit([packet_record(1)])
    assert pump.step(109 * MILLISECOND) == 1
    assert pump.take() == []
    assert checked(pump.counters()).open_events == 2
    assert pump.step(110 * MILLISECOND) == 0
    assert take_and_release(pump) == [0, 1]


@pytest.mark.parametrize(("compression", "batch_bytes"), [("lz4", 65_536), ("none", 8192)])
def test_a_batch_is_sealed_when_full(
    raw_ring: RingMaker, compression: str, batch_bytes: int
) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, compression=compression, batch_bytes=batch_bytes)
    raw.emit(packet_record(i) for i in range(2000))
    pump.step(0)
    batches = pump.take()
    assert len(batches) > 5
    for batch in batches:
        assert batch_bytes - 4096 < batch.raw_bytes <= batch_bytes
    assert len({batch.events for batch in batches}) <= 3


def test_events_without_a_key_change_partition_batch_by_batch(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, partitions=3, compression="none", batch_bytes=8192)
    raw.emit(packet_record(i, addresses=False) for i in range(500))
    pump.step(0)
    pump.flush()
    batches = pump.take()
    partitions = [batch.partition for batch in batches]
    assert len(batches) > 6
    assert all(a != b for a, b in pairwise(partitions))
    assert set(partitions) == {0, 1, 2}
    assert sorted(n for batch in batches for n in sequences_of(batch)) == list(range(500))
    assert {key for batch in batches for key, _ in records_of(batch)} == {None}


def test_sealed_batches_can_be_stamped(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring)
    raw.emit([packet_record(0)])
    pump.step(0)
    pump.flush()
    (batch,) = pump.take()
    stamp(batch, 77, 1, 5)
    assert struct.unpack_from(">qhi", bytes(batch), 43) == (77, 1, 5)
    assert sequences_of(batch) == [0]


def test_rejected_records_are_counted_by_reason(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring)
    good = packet_record(0)
    records = [
        good,
        packet_record(1, kind=9),
        packet_record(2, version=2),
        packet_record(3, length=119),
        packet_record(4, length=121),
        packet_record(5)[:119],
        HEADER.pack(1, 1, 16, 0, 6),
        HEADER.pack(200, 1, 16, 0, 7),
        b"x",
        good[:15],
        packet_record(8, cpu=1 << 20),
        packet_record(8) + b"more than this version knows",
    ]
    assert raw.emit(records) == len(records)
    pump.step(0)
    counters = checked(pump.counters())
    assert tuple(counters.rejected) == REJECTION_REASONS
    assert counters.rejected == {
        "unknown_kind": 2,
        "unknown_version": 1,
        "bad_length": 6,
        "bad_cpu": 1,
    }
    assert counters.encoded == 2
    assert (counters.sequence_gaps, counters.sequence_repeats) == (0, 0)


def test_gaps_are_counted_for_each_cpu(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring)
    numbered = [(0, 0), (1, 0), (0, 1), (1, 5), (0, 4), (1, 6), (200, 3), (0, 5)]
    raw.emit(packet_record(sequence, cpu=cpu) for cpu, sequence in numbered)
    pump.step(0)
    counters = checked(pump.counters())
    assert counters.sequence_gaps == 4 + 2 + 3
    assert counters.sequence_repeats == 0
    raw.emit([packet_record(6), packet_record(6), packet_record(2), packet_record(7)])
    pump.step(0)
    counters = checked(pump.counters())
    assert counters.sequence_gaps == 9
    assert counters.sequence_repeats == 2
    assert counters.encoded == 12


def test_a_second_pump_on_a_ring_goes_on_where_the_first_ended(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    first = make_pump(raw.ring)
    raw.emit(packet_record(i) for i in range(10))
    first.step(0)
    second = make_pump(raw.ring)
    raw.emit([packet_record(10), packet_record(11), packet_record(14), packet_record(3, cpu=1)])
    second.step(0)
    counters = checked(second.counters())
    assert (counters.encoded, counters.sequence_gaps) == (4, 2)


@pytest.mark.parametrize("ring_bytes", [4096, 65_536])
def test_tiny_rings_wrap_around(raw_ring: RingMaker, ring_bytes: int) -> None:
    raw = raw_ring(ring_bytes)
    pump = make_pump(raw.ring)
    sequence = 0
    for _ in range(200):
        chunk = [packet_record(sequence + i, flow=i) for i in range(25)]
        assert raw.emit(chunk) == 25
        assert pump.step(0) == 25
        sequence += 25
    pump.flush()
    assert checked(pump.counters()).sequence_gaps == 0
    assert take_and_release(pump) == list(range(sequence))


def test_used_up_memory_pauses_and_a_release_resumes(raw_ring: RingMaker) -> None:
    raw = raw_ring(1 << 20)
    memory_bytes = 128 * 1024
    pump = make_pump(
        raw.ring, compression="none", batch_bytes=16_384, partitions=2, memory_bytes=memory_bytes
    )
    records = [packet_record(i, flow=i % 11) for i in range(5000)]
    assert raw.emit(records) == 5000
    drained = pump.step(0)
    counters = checked(pump.counters())
    assert counters.paused
    assert counters.pauses == 1
    assert 0 < drained < 5000
    assert pump.step(10**12) == 0, "nothing is drained while paused"
    assert pump.memory_used_bytes <= memory_bytes
    assert raw.ring.fill_bytes == (5000 - drained) * 128
    numbers: list[int] = []
    held = pump.take()
    assert pump.step(0) == 0, "taking alone frees nothing"
    while raw.ring.fill_bytes or pump.counters().open_events:
        for batch in held:
            numbers += sequences_of(batch)
            batch.release()
        pump.step(0)
        if not raw.ring.fill_bytes:
            pump.flush()
        checked(pump.counters())
        assert pump.memory_used_bytes <= memory_bytes
        held = pump.take()
    for batch in held:
        numbers += sequences_of(batch)
    counters = checked(pump.counters())
    assert sorted(numbers) == list(range(5000))
    assert counters.taken_events == 5000
    assert counters.sequence_gaps == 0
    assert counters.pauses > 5


def test_stop_without_a_thread_drains_and_seals_beyond_the_bound(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, compression="none", batch_bytes=16_384, memory_bytes=65_536)
    raw.emit(packet_record(i) for i in range(1000))
    pump.step(0)
    assert pump.counters().paused
    pump.stop()
    counters = checked(pump.counters())
    assert counters.open_events == 0
    in_ring = raw.ring.fill_bytes // 128
    assert counters.drained + in_ring == 1000
    assert take_and_release(pump) == list(range(counters.drained))
    pump.stop()


def test_a_pump_that_is_dropped_gives_everything_back(raw_ring: RingMaker) -> None:
    raw = raw_ring()
    pump = make_pump(raw.ring, compression="none", batch_bytes=8192)
    raw.emit(packet_record(i) for i in range(1000))
    pump.step(0)
    kept = pump.take()[:2]
    raw.emit(packet_record(1000 + i) for i in range(1000))
    pump.step(0)
    first = sequences_of(kept[0])
    del pump
    assert sequences_of(kept[0]) == first
    for batch in kept:
        batch.release()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"partitions": 0}, "partitions"),
        ({"framing": "xml"}, "framing"),
        ({"compression": "zstd"}, "compression"),
        ({"framing": "lines"}, "lines have"),
        ({"framing": "lines", "compression": "none", "partitions": 2}, "lines have"),
        ({"batch_bytes": 100}, "batch_bytes"),
        ({"batch_bytes": 2_000_000}, "batch_bytes"),
        ({"memory_bytes": 10_000}, "memory_bytes"),
        ({"linger_ns": -1}, "linger_ns"),
        ({"poll_timeout_ms": 0}, "poll_timeout_ms"),
    ],
)
def test_impossible_settings(raw_ring: RingMaker, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_pump(raw_ring().ring, **settings)


def test_wrong_types(raw_ring: RingMaker) -> None:
    ring: RingBuffer = raw_ring().ring
    with pytest.raises(TypeError):
        Pump(ring, None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
