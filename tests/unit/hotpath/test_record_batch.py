# SPDX-License-Identifier: Apache-2.0
"""Record batches, read back by aiokafka's parser, by Kafka's own tool and by lz4's decoder."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal

import lz4.frame
import pytest
from aiokafka import codec
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from hotpath.record_batch import RecordBatchBuilder, crc32c, stamp
from tests.support.segments import dump_log_segment

if TYPE_CHECKING:
    from pathlib import Path

Compression = Literal["lz4", "none"]
Record = tuple[bytes | None, bytes, int]

HEADER_BYTES = 61
COMPRESSIONS: list[Compression] = ["lz4", "none"]
NOW_MS = 1_795_000_000_000

RECORDS = st.lists(
    st.tuples(
        st.none() | st.binary(max_size=40),
        st.binary(max_size=600),
        st.integers(min_value=-(2**40), max_value=2**41),
    ),
    min_size=1,
    max_size=40,
)


@pytest.fixture(autouse=True)
def lz4_for_aiokafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka decodes LZ4 with a package that is not installed here; lz4's own decoder will do."""
    decoder = SimpleNamespace(decompress=lambda payload: lz4.frame.decompress(bytes(payload)))
    monkeypatch.setattr(codec, "cramjam", SimpleNamespace(lz4=decoder))


def build(records: list[Record], compression: Compression, capacity_bytes: int = 1 << 20) -> bytes:
    builder = RecordBatchBuilder(capacity_bytes, compression)
    for key, value, timestamp_ms in records:
        assert builder.append(key, value, timestamp_ms)
    assert builder.count == len(records)
    return builder.seal()


def parse(sealed: bytes) -> list[tuple[bytes | None, bytes | None, int | None]]:
    memory_records = MemoryRecords(sealed)
    batch = memory_records.next_batch()
    assert batch is not None
    assert batch.validate_crc()
    records = [(record.key, record.value, record.timestamp) for record in batch]
    assert not memory_records.has_next()
    return records


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(records=RECORDS)
def test_aiokafka_reads_what_was_appended(records: list[Record], compression: Compression) -> None:
    sealed = build(records, compression)
    assert parse(sealed) == records
    base, maximum = struct.unpack_from(">qq", sealed, 27)
    assert base == records[0][2]
    assert maximum == max(timestamp for _, _, timestamp in records)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("fill", ["compressible", "incompressible"])
def test_values_around_a_block_of_compression(
    size: int, fill: str, compression: Compression
) -> None:
    # Multiples of a generator modulo a prime: no match is long enough for LZ4.
    noise = b"".join(struct.pack(">I", i * 2654435761 % 2**32) for i in range(size // 4 + 1))[:size]
    value = noise if fill == "incompressible" else b"a" * size
    records: list[Record] = [
        (b"first", b"x", NOW_MS),
        (b"key" * 30_000, value, NOW_MS - 5),
        (None, value, NOW_MS + 5),
        (b"", b"", NOW_MS),
    ]
    assert parse(build(records, compression)) == records


def test_the_payload_is_an_lz4_frame_of_independent_blocks() -> None:
    records: list[Record] = [(None, b"%d " % i * 50, NOW_MS) for i in range(2000)]
    sealed = build(records, "lz4")
    plain = build(records, "none")
    frame = sealed[HEADER_BYTES:]
    information = lz4.frame.get_frame_info(frame)
    assert information["block_linked"] is False
    assert information["block_size"] == 65536
    assert lz4.frame.decompress(frame) == plain[HEADER_BYTES:]
    assert len(sealed) < len(plain) / 2


def test_incompressible_records_grow_by_the_frame_only() -> None:
    value = b"".join(struct.pack(">I", i * 2654435761 % 2**32) for i in range(70_000))
    sealed = build([(None, value, NOW_MS)], "lz4")
    plain = build([(None, value, NOW_MS)], "none")
    assert len(sealed) <= len(plain) + 7 + 4 * 5 + 4


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_full_builder_refuses_and_keeps_what_it_has(compression: Compression) -> None:
    builder = RecordBatchBuilder(1000, compression)
    appended: list[Record] = []
    while builder.append(b"key", b"v" * 100, NOW_MS):
        appended.append((b"key", b"v" * 100, NOW_MS))
    assert 800 < builder.size <= 1000
    assert not builder.append(None, b"v" * 1000, NOW_MS)
    assert parse(builder.seal()) == appended
    assert builder.count == 0
    assert builder.append(None, b"next", NOW_MS)
    assert parse(builder.seal()) == [(None, b"next", NOW_MS)]


def test_an_empty_batch_cannot_be_sealed() -> None:
    with pytest.raises(ValueError, match="no record"):
        RecordBatchBuilder(1000).seal()


@pytest.mark.parametrize("capacity_bytes", [0, -1, 1 << 40])
def test_impossible_capacity(capacity_bytes: int) -> None:
    with pytest.raises(ValueError, match="capacity_bytes"):
        RecordBatchBuilder(capacity_bytes)


def test_unknown_compression() -> None:
    with pytest.raises(ValueError, match="zstd"):
        RecordBatchBuilder(1000, "zstd")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_crc32c_vectors() -> None:
    # RFC 3720, B.4, and the check value of the catalogue of CRC algorithms
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_stamp(compression: Compression) -> None:
    records: list[Record] = [(b"k", b"value", NOW_MS)] * 10
    sealed = bytearray(build(records, compression))
    assert struct.unpack_from(">qhi", sealed, 43) == (-1, -1, -1)
    stamp(sealed, 2**40 + 7, 12, 2**31 - 1)
    assert struct.unpack_from(">qhi", sealed, 43) == (2**40 + 7, 12, 2**31 - 1)
    assert parse(bytes(sealed)) == records
    stamp(sealed, -1, -1, -1)
    assert bytes(sealed) == build(records, compression)


def test_stamp_refuses_what_is_not_one_batch() -> None:
    sealed = build([(None, b"value", NOW_MS)], "none")
    with pytest.raises(ValueError, match="length"):
        stamp(bytearray(sealed + b"\0"), 1, 1, 1)
    with pytest.raises(ValueError, match="format 2"):
        stamp(bytearray(60), 1, 1, 1)
    with pytest.raises(ValueError, match="format 2"):
        stamp(bytearray(100), 1, 1, 1)
    with pytest.raises((ValueError, BufferError), match=r"read-only|not writable"):
        stamp(sealed, 1, 1, 1)
    with pytest.raises(OverflowError):
        stamp(bytearray(sealed), 2**63, 1, 1)


@pytest.mark.kafka
def test_kafka_reads_the_batches(tmp_path: Path) -> None:
    keys = [None, b"1:LQU9qZlK+B5F3KDmev6m5PMibrg="]
    batches: list[bytes] = []
    for compression in COMPRESSIONS:
        for count in (1, 3, 2000):
            records: list[Record] = [
                (keys[i % 2], b'{"event":{"sequence":%d}}' % i, NOW_MS + 3 * i)
                for i in range(count)
            ]
            sealed = bytearray(build(records, compression))
            stamp(sealed, 4711, 3, 2 * count)
            batches.append(bytes(sealed))
    dumped = dump_log_segment(batches, tmp_path)
    assert len(dumped) == len(batches)
    for batch, sealed_batch in zip(dumped, batches, strict=True):
        count = len(batch.payloads)
        assert batch.fields["isvalid"] == "true"
        assert batch.fields["magic"] == "2"
        assert batch.fields["count"] == str(count)
        assert batch.fields["size"] == str(len(sealed_batch))
        assert batch.fields["producerId"] == "4711"
        assert batch.fields["producerEpoch"] == "3"
        assert batch.fields["baseSequence"] == str(2 * count)
        assert batch.fields["lastSequence"] == str(3 * count - 1)
        assert batch.fields["partitionLeaderEpoch"] == "-1"
        assert batch.fields["CreateTime"] == str(NOW_MS + 3 * (count - 1))
        assert batch.payloads == [f'{{"event":{{"sequence":{i}}}}}' for i in range(count)]
        assert batch.keys == [(keys[i % 2] or b"").decode() for i in range(count)]
    assert [batch.fields["compresscodec"] for batch in dumped] == ["lz4"] * 3 + ["none"] * 3
