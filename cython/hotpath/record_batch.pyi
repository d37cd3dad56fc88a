# SPDX-License-Identifier: Apache-2.0
from typing import Literal

from typing_extensions import Buffer

def crc32c(data: Buffer) -> int:
    """CRC-32C (Castagnoli), as Kafka and iSCSI use it."""

def stamp(batch: Buffer, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
    """Write the producer's id, epoch and sequence into a sealed batch and renew its CRC.

    The batch is changed in place; ValueError if it is not exactly one batch of format 2.
    """

class RecordBatchBuilder:
    """One Kafka record batch (message format 2) under construction; after seal() the next one.

    Producer id, epoch and base sequence are -1 until stamp() writes them.
    """

    def __init__(
        self, capacity_bytes: int, compression: Literal["lz4", "none"] = "lz4"
    ) -> None: ...
    @property
    def count(self) -> int:
        """Records in the open batch."""

    @property
    def size(self) -> int:
        """Bytes of these records before compression."""

    def append(self, key: bytes | None, value: bytes, timestamp_ms: int) -> bool:
        """Add a record; False, and nothing is added, when it does not surely fit any more."""

    def seal(self) -> bytes:
        """The finished batch; the builder then begins the next one."""
