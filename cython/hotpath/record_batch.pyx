# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Batches as they are sent: Kafka record batches (message format 2), or lines of text.

A record batch is built once, sealed, and sent or stored as it is; producer id, epoch and sequence
are stamped when it is sent.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize


cdef extern from "<lz4.h>" nogil:
    int LZ4_sizeofState()
    int LZ4_compress_fast_extState(
        void *state, const char *source, char *target, int source_bytes, int target_bytes,
        int acceleration
    )

cdef extern from "<isa-l/crc.h>" nogil:
    unsigned int crc32_iscsi(unsigned char *data, int length, unsigned int initial)

cdef extern from "<endian.h>" nogil:
    uint32_t htobe32(uint32_t)
    uint64_t htobe64(uint64_t)
    uint32_t htole32(uint32_t)
    uint32_t be32toh(uint32_t)


cdef enum:
    # Offsets in a batch's header
    LENGTH_AT = 8
    LEADER_EPOCH_AT = 12
    MAGIC_AT = 16
    CRC_AT = 17
    ATTRIBUTES_AT = 21  # the CRC covers the bytes from here
    LAST_OFFSET_AT = 23
    BASE_TIMESTAMP_AT = 27
    MAX_TIMESTAMP_AT = 35
    PRODUCER_ID_AT = 43
    PRODUCER_EPOCH_AT = 51
    BASE_SEQUENCE_AT = 53
    COUNT_AT = 57

    # An LZ4 frame: descriptor, blocks that each begin with their length, an end mark.
    LZ4_BLOCK_BYTES = 65536
    LZ4_DESCRIPTOR_BYTES = 7
    LZ4_LENGTH_BYTES = 4
    LZ4_STORED = 1 << 31  # in a block's length: its bytes are not compressed
    # On events of 700 bytes: a tenth less time than 1 for one hundredth more bytes; 4 saves
    # another twentieth for three hundredths.
    LZ4_ACCELERATION = 2

# Magic number; version 1 with independent blocks (Kafka reads no others), no checksums, no content
# size; blocks of 64 KiB; the descriptor's checksum (second byte of its xxHash-32).
cdef const uint8_t *LZ4_DESCRIPTOR = <const uint8_t *>b"\x04\x22\x4d\x18\x60\x40\x82"


cdef inline void store_be16(uint8_t *at, uint32_t value) noexcept nogil:
    at[0] = <uint8_t>(value >> 8)
    at[1] = <uint8_t>value


cdef inline void store_be32(uint8_t *at, uint32_t value) noexcept nogil:
    value = htobe32(value)
    memcpy(at, &value, 4)


cdef inline void store_be64(uint8_t *at, uint64_t value) noexcept nogil:
    value = htobe64(value)
    memcpy(at, &value, 8)


cdef inline uint8_t *put_varint(uint8_t *at, int64_t value) noexcept nogil:
    """Zigzag, then seven bits a byte, as Kafka writes every number inside a record."""
    cdef uint64_t rest = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    while rest >= 0x80:
        at[0] = <uint8_t>(rest | 0x80)
        at += 1
        rest >>= 7
    at[0] = <uint8_t>rest
    return at + 1


cdef inline int varint_bytes(int64_t value) noexcept nogil:
    cdef uint64_t rest = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    cdef int count = 1
    while rest >= 0x80:
        count += 1
        rest >>= 7
    return count


# ---------------------------------------------------------------- building
cdef size_t batch_bound(
    framing_t framing, compression_t compression, size_t capacity
) noexcept nogil:
    """The largest sealed batch of capacity bytes of records."""
    cdef size_t bound = capacity
    if framing == FRAMING_LINES:
        return bound
    if compression == COMPRESSION_LZ4:
        bound += LZ4_DESCRIPTOR_BYTES + LZ4_LENGTH_BYTES * (capacity // LZ4_BLOCK_BYTES + 2)
    return BATCH_HEADER_BYTES + bound


cdef int batch_init(
    batch_builder *batch, framing_t framing, compression_t compression, size_t capacity
) noexcept nogil:
    """Allocate for batches of at most capacity bytes of records; -1 without memory."""
    batch.framing = framing
    batch.compression = compression
    batch.capacity = capacity
    batch.block = NULL
    batch.lz4_state = NULL
    batch.output = <uint8_t *>malloc(batch_bound(framing, compression, capacity))
    if compression == COMPRESSION_LZ4:
        batch.block = <uint8_t *>malloc(LZ4_BLOCK_BYTES)
        batch.lz4_state = malloc(LZ4_sizeofState())
        if batch.block is NULL or batch.lz4_state is NULL:
            return -1
    if batch.output is NULL:
        return -1
    batch_reset(batch)
    return 0


cdef void batch_free(batch_builder *batch) noexcept nogil:
    free(batch.output)
    free(batch.block)
    free(batch.lz4_state)
    batch.output = NULL
    batch.block = NULL
    batch.lz4_state = NULL


cdef void batch_reset(batch_builder *batch) noexcept nogil:
    """Begin the next batch."""
    batch.count = 0
    batch.used = 0
    batch.block_used = 0
    batch.closed = False
    batch.output_used = 0
    if batch.framing == FRAMING_LINES:
        return
    batch.output_used = BATCH_HEADER_BYTES
    if batch.compression == COMPRESSION_LZ4:
        memcpy(batch.output + batch.output_used, LZ4_DESCRIPTOR, LZ4_DESCRIPTOR_BYTES)
        batch.output_used += LZ4_DESCRIPTOR_BYTES


cdef bint batch_has_room(
    const batch_builder *batch, Py_ssize_t key_length, size_t value_length
) noexcept nogil:
    """Whether a record of this size surely fits."""
    if key_length > 0:
        value_length += key_length
    return batch.used + value_length + MAX_RECORD_OVERHEAD_BYTES <= batch.capacity


cdef void compress_block(batch_builder *batch) noexcept nogil:
    cdef uint8_t *target = batch.output + batch.output_used
    # One byte less than the block: what does not shrink is stored as it is.
    cdef uint32_t length = LZ4_compress_fast_extState(
        batch.lz4_state,
        <const char *>batch.block,
        <char *>target + LZ4_LENGTH_BYTES,
        <int>batch.block_used,
        <int>batch.block_used - 1,
        LZ4_ACCELERATION,
    )
    cdef uint32_t mark = length
    if length == 0:
        length = <uint32_t>batch.block_used
        mark = length | <uint32_t>LZ4_STORED
        memcpy(target + LZ4_LENGTH_BYTES, batch.block, length)
    mark = htole32(mark)
    memcpy(target, &mark, LZ4_LENGTH_BYTES)
    batch.output_used += LZ4_LENGTH_BYTES + length
    batch.block_used = 0


cdef inline void put(batch_builder *batch, const void *data, size_t length) noexcept nogil:
    cdef const uint8_t *source = <const uint8_t *>data
    cdef size_t part
    batch.used += length
    if batch.compression == COMPRESSION_NONE:
        memcpy(batch.output + batch.output_used, source, length)
        batch.output_used += length
        return
    while length > LZ4_BLOCK_BYTES - batch.block_used:
        part = LZ4_BLOCK_BYTES - batch.block_used
        memcpy(batch.block + batch.block_used, source, part)
        batch.block_used = LZ4_BLOCK_BYTES
        source += part
        length -= part
        compress_block(batch)
    memcpy(batch.block + batch.block_used, source, length)
    batch.block_used += length


cdef void batch_append(
    batch_builder *batch,
    const char *key,
    Py_ssize_t key_length,
    const char *value,
    size_t value_length,
    int64_t timestamp_ms,
) noexcept nogil:
    """Add one record, for which batch_has_room said yes. A key_length of -1 means no key."""
    cdef uint8_t head[32]
    cdef uint8_t *end
    cdef int64_t delta
    cdef size_t key_bytes = key_length if key_length > 0 else 0
    if batch.framing == FRAMING_LINES:
        put(batch, value, value_length)
        put(batch, b"\n", 1)
        batch.count += 1
        return
    if batch.count == 0:
        batch.base_timestamp_ms = timestamp_ms
        batch.max_timestamp_ms = timestamp_ms
    elif timestamp_ms > batch.max_timestamp_ms:
        batch.max_timestamp_ms = timestamp_ms
    delta = timestamp_ms - batch.base_timestamp_ms
    end = put_varint(
        head,
        1 + varint_bytes(delta) + varint_bytes(batch.count)
        + varint_bytes(key_length) + key_bytes
        + varint_bytes(value_length) + value_length + 1,
    )
    end[0] = 0  # attributes: none are defined
    end = put_varint(end + 1, delta)
    end = put_varint(end, batch.count)
    end = put_varint(end, key_length)
    put(batch, head, end - head)
    if key_bytes:
        put(batch, key, key_bytes)
    end = put_varint(head, value_length)
    put(batch, head, end - head)
    put(batch, value, value_length)
    head[0] = 0  # no headers
    put(batch, head, 1)
    batch.count += 1


cdef size_t batch_close(batch_builder *batch) noexcept nogil:
    """Finish the batch: output then holds as many bytes as this returns. Again changes nothing."""
    cdef uint8_t *header = batch.output
    if batch.closed:
        return batch.output_used
    batch.closed = True
    if batch.framing == FRAMING_LINES:
        return batch.output_used
    if batch.compression == COMPRESSION_LZ4:
        if batch.block_used:
            compress_block(batch)
        store_be32(batch.output + batch.output_used, 0)  # end mark
        batch.output_used += LZ4_LENGTH_BYTES
    store_be64(header, 0)  # base offset: the broker's to set
    store_be32(header + LENGTH_AT, <uint32_t>(batch.output_used - LEADER_EPOCH_AT))
    store_be32(header + LEADER_EPOCH_AT, <uint32_t>-1)
    header[MAGIC_AT] = 2
    store_be16(header + ATTRIBUTES_AT, batch.compression)
    store_be32(header + LAST_OFFSET_AT, batch.count - 1)
    store_be64(header + BASE_TIMESTAMP_AT, <uint64_t>batch.base_timestamp_ms)
    store_be64(header + MAX_TIMESTAMP_AT, <uint64_t>batch.max_timestamp_ms)
    store_be32(header + COUNT_AT, batch.count)
    stamp_batch(header, batch.output_used, -1, -1, -1)
    return batch.output_used


cdef uint32_t crc32c_of(const uint8_t *data, size_t length) noexcept nogil:
    return ~crc32_iscsi(<unsigned char *>data, <int>length, 0xffffffff)


cdef void stamp_batch(
    uint8_t *batch,
    size_t length,
    int64_t producer_id,
    int16_t producer_epoch,
    int32_t base_sequence,
) noexcept nogil:
    store_be64(batch + PRODUCER_ID_AT, <uint64_t>producer_id)
    store_be16(batch + PRODUCER_EPOCH_AT, <uint32_t>producer_epoch)
    store_be32(batch + BASE_SEQUENCE_AT, <uint32_t>base_sequence)
    store_be32(batch + CRC_AT, crc32c_of(batch + ATTRIBUTES_AT, length - ATTRIBUTES_AT))


# ---------------------------------------------------------------- for Python
def crc32c(const uint8_t[::1] data not None) -> int:
    """CRC-32C (Castagnoli), as Kafka and iSCSI use it."""
    if data.shape[0] == 0:
        return 0
    return crc32c_of(&data[0], data.shape[0])


def stamp(
    uint8_t[::1] batch not None, producer_id: int, producer_epoch: int, base_sequence: int
) -> None:
    """Write the producer's id, epoch and sequence into a sealed batch and renew its CRC."""
    cdef uint32_t length
    if batch.shape[0] < BATCH_HEADER_BYTES or batch[MAGIC_AT] != 2:
        raise ValueError("not a record batch of format 2")
    memcpy(&length, &batch[LENGTH_AT], 4)
    if be32toh(length) + <size_t>LEADER_EPOCH_AT != <size_t>batch.shape[0]:
        raise ValueError("the batch's length field disagrees with its size")
    stamp_batch(&batch[0], batch.shape[0], producer_id, producer_epoch, base_sequence)


cdef class RecordBatchBuilder:
    """One Kafka record batch under construction; after seal() the next one."""

    def __cinit__(self, capacity_bytes: int, compression: str = "lz4") -> None:
        if compression not in ("lz4", "none"):
            raise ValueError(f"compression must be lz4 or none, not {compression!r}")
        if not 0 < capacity_bytes < 1 << 30:
            raise ValueError("capacity_bytes must be between 1 and 2**30")
        if batch_init(
            &self.batch,
            FRAMING_KAFKA,
            COMPRESSION_LZ4 if compression == "lz4" else COMPRESSION_NONE,
            capacity_bytes,
        ):
            raise MemoryError

    def __dealloc__(self) -> None:
        batch_free(&self.batch)

    @property
    def count(self) -> int:
        """Records in the open batch."""
        return self.batch.count

    @property
    def size(self) -> int:
        """Bytes of these records before compression."""
        return self.batch.used

    def append(self, key: bytes | None, value: bytes, timestamp_ms: int) -> bool:
        """Add a record; False, and nothing is added, when it does not surely fit any more."""
        cdef const char *key_text = NULL
        cdef Py_ssize_t key_length = -1
        cdef int64_t timestamp = timestamp_ms
        if key is not None:
            key_length = len(key)
            key_text = PyBytes_AS_STRING(key)
        if not batch_has_room(&self.batch, key_length, len(value)):
            return False
        batch_append(
            &self.batch, key_text, key_length, PyBytes_AS_STRING(value), len(value), timestamp
        )
        return True

    def seal(self) -> bytes:
        """The finished batch; the builder then begins the next one."""
        cdef size_t length
        if self.batch.count == 0:
            raise ValueError("the batch holds no record")
        length = batch_close(&self.batch)
        sealed = PyBytes_FromStringAndSize(<char *>self.batch.output, <Py_ssize_t>length)
        batch_reset(&self.batch)
        return sealed
