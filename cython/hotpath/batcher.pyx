# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Events in, sealed batches out."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from hotpath.buffer_pool cimport BufferPool, buffer_class_bytes
from hotpath.event cimport packet_event
from hotpath.json_encoder cimport MAX_DOCUMENT_BYTES, EventEncoder
from hotpath.record_batch cimport (
    COMPRESSION_LZ4,
    COMPRESSION_NONE,
    FRAMING_KAFKA,
    FRAMING_LINES,
    batch_append,
    batch_bound,
    batch_close,
    batch_free,
    batch_has_room,
    batch_init,
    batch_reset,
    compression_t,
    framing_t,
)
from hotpath.sealed_batch cimport add_batch, give_back_all, sealed_batch

cdef enum:
    NANOSECONDS_PER_MILLISECOND = 1_000_000
    MAX_KEY_BYTES = 64
    MAX_PARTITIONS = 10_000
    MIN_BATCH_BYTES = 8 * 1024
    # What a broker takes by default is 1 MiB and a little, header and frame included.
    MAX_BATCH_BYTES = 1_000_000

DEFAULT_BATCH_BYTES = {"lz4": 512 * 1024, "none": 128 * 1024}


cdef inline int64_t floor_ms(int64_t time_ns) noexcept nogil:
    cdef int64_t time_ms = time_ns // NANOSECONDS_PER_MILLISECOND
    if time_ns < time_ms * NANOSECONDS_PER_MILLISECOND:  # C rounds towards zero
        time_ms -= 1
    return time_ms


@cython.no_gc_clear  # its end needs what it refers to
cdef class Batcher:
    """The open batches of all partitions."""

    def __cinit__(
        self,
        EventEncoder encoder not None,
        *,
        partitions: int,
        framing: str,
        compression: str,
        batch_bytes: int | None,
        linger_ns: int,
        memory_bytes: int,
    ) -> None:
        cdef framing_t framing_code
        cdef compression_t compression_code
        if framing not in ("kafka", "lines"):
            raise ValueError(f"framing must be kafka or lines, not {framing!r}")
        if compression not in ("lz4", "none"):
            raise ValueError(f"compression must be lz4 or none, not {compression!r}")
        if framing == "lines" and (compression != "none" or partitions != 1):
            raise ValueError("lines have one partition and no compression")
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise ValueError(f"partitions must be 1 to {MAX_PARTITIONS}, not {partitions}")
        if batch_bytes is None:
            batch_bytes = DEFAULT_BATCH_BYTES[compression]
        if not MIN_BATCH_BYTES <= batch_bytes <= MAX_BATCH_BYTES:
            raise ValueError(
                f"batch_bytes must be {MIN_BATCH_BYTES} to {MAX_BATCH_BYTES}, not {batch_bytes}"
            )
        if linger_ns < 0:
            raise ValueError(f"linger_ns must not be negative: {linger_ns}")
        framing_code = FRAMING_KAFKA if framing == "kafka" else FRAMING_LINES
        compression_code = COMPRESSION_LZ4 if compression == "lz4" else COMPRESSION_NONE
        least = buffer_class_bytes(
            sizeof(sealed_batch) + batch_bound(framing_code, compression_code, batch_bytes)
        )
        if memory_bytes < least:
            raise ValueError(f"memory_bytes must be at least {least} for batches of {batch_bytes}")
        self.encoder = encoder
        self.pool = BufferPool(memory_bytes)
        self.linger_ns = linger_ns
        self.open = <open_batch *>calloc(partitions, sizeof(open_batch))
        if self.open is NULL:
            raise MemoryError
        self.partitions = partitions
        for i in range(partitions):
            if batch_init(&self.open[i].builder, framing_code, compression_code, batch_bytes):
                raise MemoryError

    def __dealloc__(self) -> None:
        cdef uint32_t i
        give_back_all(self.sealed, self.pool)
        for i in range(self.partitions):
            batch_free(&self.open[i].builder)
        free(self.open)

    cdef void add(
        self, const packet_event *event, int64_t utc_offset_ns, int64_t now_ns
    ) noexcept nogil:
        """Encode an event into the open batch of its partition; never while paused."""
        cdef Py_ssize_t length = self.encoder.encode_event(
            event, utc_offset_ns, self.counts.encoded, self.document
        )
        cdef const char *key = NULL
        cdef Py_ssize_t key_length = -1
        cdef uint32_t partition = self.keyless_partition
        cdef open_batch *batch
        if self.encoder.flow.key_length:
            key = self.encoder.flow.key_text
            key_length = self.encoder.flow.key_length
            partition = (self.encoder.flow.key_hash & 0x7FFFFFFF) % self.partitions
        batch = &self.open[partition]
        if batch.builder.count == 0:
            batch.first_sequence = self.counts.encoded
            batch.opened_ns = now_ns
        batch_append(
            &batch.builder,
            key,
            key_length,
            self.document,
            length,
            floor_ms(<int64_t>(event.timestamp_ns + <uint64_t>utc_offset_ns)),
        )
        self.counts.encoded += 1
        self.counts.open_events += 1
        if not batch_has_room(&batch.builder, MAX_KEY_BYTES, MAX_DOCUMENT_BYTES):
            self.seal(partition, False)

    cdef bint seal(self, uint32_t partition, bint beyond_bound) noexcept nogil:
        """Move an open batch to the sealed ones; without memory for it, pause."""
        cdef open_batch *batch = &self.open[partition]
        cdef size_t size = batch_close(&batch.builder)
        cdef sealed_batch *sealed = <sealed_batch *>self.pool.take(
            sizeof(sealed_batch) + size, beyond_bound
        )
        if sealed is NULL:
            if not self.counts.paused:
                self.counts.paused = True
                self.counts.pauses += 1
            return False
        memcpy(<char *>sealed + sizeof(sealed_batch), batch.builder.output, size)
        sealed.first_sequence = batch.first_sequence
        sealed.events = batch.builder.count
        sealed.partition = partition
        sealed.size = <uint32_t>size
        sealed.raw_bytes = <uint32_t>batch.builder.used
        add_batch(&self.sealed, sealed)
        self.counts.open_events -= sealed.events
        self.counts.sealed_events += sealed.events
        self.counts.batches += 1
        self.counts.raw_bytes += sealed.raw_bytes
        self.counts.sealed_bytes += size
        batch_reset(&batch.builder)
        if partition == self.keyless_partition:
            self.keyless_partition = (partition + 1) % self.partitions
        return True

    cdef void seal_due(self, int64_t now_ns) noexcept nogil:
        """Seal the batches whose first event waited for linger_ns."""
        cdef uint32_t i
        for i in range(self.partitions):
            if self.counts.paused:
                return
            if self.open[i].builder.count and now_ns - self.open[i].opened_ns >= self.linger_ns:
                self.seal(i, False)

    cdef void seal_all(self, bint beyond_bound) noexcept nogil:
        cdef uint32_t i
        for i in range(self.partitions):
            if self.open[i].builder.count and not self.seal(i, beyond_bound):
                return

    cdef bint resume(self) noexcept nogil:
        """Seal what waited for memory; False, and the pause goes on, while that fails."""
        cdef uint32_t i
        for i in range(self.partitions):
            if self.open[i].builder.closed and not self.seal(i, False):
                return False
        self.counts.paused = False
        return True

    cdef int64_t next_due_ns(self) noexcept nogil:
        cdef int64_t opened_ns = INT64_MAX
        cdef uint32_t i
        for i in range(self.partitions):
            if self.open[i].builder.count:
                opened_ns = min(opened_ns, self.open[i].opened_ns)
        if opened_ns > INT64_MAX - self.linger_ns:
            return INT64_MAX
        return opened_ns + self.linger_ns
