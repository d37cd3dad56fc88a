# SPDX-License-Identifier: Apache-2.0
def murmur2(data: bytes) -> int:
    """Java's `Utils.murmur2`: a signed 32-bit number."""

def partition_for_key(key: bytes, partitions: int) -> int:
    """The partition, of so many, that a record with this key belongs to."""
