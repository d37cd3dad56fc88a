# SPDX-License-Identifier: Apache-2.0
"""Single records, sent now and then: the ledger, not the packets."""

from __future__ import annotations

import time

from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder

HEADROOM_BYTES = 1024


class SingleRecord(bytearray):
    """A record batch with one record in it; nobody's pool gets the memory back."""

    events = 1

    def release(self) -> None:
        """Nothing to give back."""


def single_record(key: bytes | None, value: bytes) -> SingleRecord:
    """A batch of one record with the present time."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=len(value) + len(key or b"") + HEADROOM_BYTES,
    )
    builder.append(0, int(time.time() * 1000), key, value, [])
    return SingleRecord(builder.build())


def lane_index(key: bytes | None) -> int:
    """A number whose remainder is the partition Java's default partitioner chooses."""
    return (murmur2(key) & 0x7FFFFFFF) if key is not None else 0
