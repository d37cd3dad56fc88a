# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, cdivision=True
"""The partition of a key, as Kafka's Java client and all that agree with it choose it."""

from libc.stdint cimport int32_t, uint32_t


def murmur2(data: bytes) -> int:
    """Java's `Utils.murmur2`: a signed 32-bit number."""
    return <int32_t>java_murmur2(<const char *>data, <uint32_t>len(data))


def partition_for_key(key: bytes, partitions: int) -> int:
    """The partition, of so many, that a record with this key belongs to."""
    if not 0 < partitions <= 0x7FFFFFFF:
        raise ValueError(f"partitions must be 1 to 2147483647, not {partitions}")
    return partition_of_hash(java_murmur2(<const char *>key, <uint32_t>len(key)), partitions)
