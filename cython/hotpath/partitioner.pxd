# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t


cdef inline uint32_t java_murmur2(const void *data, uint32_t length) noexcept nogil:
    """org.apache.kafka.common.utils.Utils.murmur2, as the unsigned 32 bits of Java's int."""
    cdef const uint8_t *byte = <const uint8_t *>data
    cdef uint32_t m = 0x5BD1E995U
    cdef uint32_t h = 0x9747B28CU ^ length
    cdef uint32_t k
    while length >= 4:
        # Little-endian by definition, not by the machine.
        k = byte[0] | (<uint32_t>byte[1] << 8)
        k |= (<uint32_t>byte[2] << 16) | (<uint32_t>byte[3] << 24)
        k *= m
        k ^= k >> 24
        k *= m
        h *= m
        h ^= k
        byte += 4
        length -= 4
    if length >= 3:
        h ^= <uint32_t>byte[2] << 16
    if length >= 2:
        h ^= <uint32_t>byte[1] << 8
    if length >= 1:
        h ^= byte[0]
        h *= m
    h ^= h >> 13
    h *= m
    h ^= h >> 15
    return h


cdef inline uint32_t partition_of_hash(uint32_t key_hash, uint32_t partitions) noexcept nogil:
    """What every Kafka client's default partitioner makes of a key's hash."""
    return (key_hash & 0x7FFFFFFF) % partitions
