# SPDX-License-Identifier: Apache-2.0
"""Batches as they are sent: Kafka record batches (message format 2), or lines of text."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t

cdef enum:
    BATCH_HEADER_BYTES = 61
    # Length, attributes, timestamp, offset, key length, value length, headers.
    MAX_RECORD_OVERHEAD_BYTES = 5 + 1 + 10 + 5 + 5 + 5 + 1

cdef enum framing_t:
    FRAMING_KAFKA
    FRAMING_LINES

# Kafka's codes, which go into the batch's attributes
cdef enum compression_t:
    COMPRESSION_NONE = 0
    COMPRESSION_LZ4 = 3

# One open batch. Records gather in a block that stays in the processor's cache and is compressed
# into the output when it is full; without compression they go straight to the output.
cdef struct batch_builder:
    framing_t framing
    compression_t compression
    uint32_t count
    size_t capacity         # bytes of records, uncompressed
    size_t used             # of these
    int64_t base_timestamp_ms
    int64_t max_timestamp_ms
    uint8_t *block
    size_t block_used
    uint8_t *output
    size_t output_used
    void *lz4_state
    bint closed

cdef int batch_init(
    batch_builder *batch, framing_t framing, compression_t compression, size_t capacity
) noexcept nogil
cdef void batch_free(batch_builder *batch) noexcept nogil
cdef size_t batch_bound(
    framing_t framing, compression_t compression, size_t capacity
) noexcept nogil
cdef bint batch_has_room(
    const batch_builder *batch, Py_ssize_t key_length, size_t value_length
) noexcept nogil
cdef void batch_append(
    batch_builder *batch,
    const char *key,
    Py_ssize_t key_length,
    const char *value,
    size_t value_length,
    int64_t timestamp_ms,
) noexcept nogil
cdef size_t batch_close(batch_builder *batch) noexcept nogil
cdef void batch_reset(batch_builder *batch) noexcept nogil

cdef uint32_t crc32c_of(const uint8_t *data, size_t length) noexcept nogil
cdef void stamp_batch(
    uint8_t *batch,
    size_t length,
    int64_t producer_id,
    int16_t producer_epoch,
    int32_t base_sequence,
) noexcept nogil


cdef class RecordBatchBuilder:
    """One Kafka record batch under construction."""

    cdef batch_builder batch
