# SPDX-License-Identifier: Apache-2.0
"""Sealed batches made by aiokafka's builder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiokafka.record.default_records import DefaultRecordBatchBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence


class MadeBatch(bytearray):
    """A batch as the pump would publish it. `partition` is a method of bytearray: shadowed."""

    partition: int  # type: ignore[assignment] # pyright: ignore[reportIncompatibleMethodOverride]
    events: int
    released: int

    def release(self) -> None:
        """Counts, so that a test sees a batch released twice, or never."""
        self.released += 1


def make_batch(
    partition: int, values: Sequence[bytes], key: bytes | None = None, timestamp_ms: int = 0
) -> MadeBatch:
    """One uncompressed record batch of now, or of the time that is given.

    A broker that restarts forgets producers whose last batch is older than a day by its own
    timestamp, and then takes a batch twice.
    """
    timestamp_ms = timestamp_ms or int(time.time() * 1000)
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for offset, value in enumerate(values):
        builder.append(offset, timestamp_ms, key, value, [])
    batch = MadeBatch(builder.build())
    batch.partition = partition
    batch.events = len(values)
    batch.released = 0
    return batch
