# SPDX-License-Identifier: Apache-2.0
"""Events in, sealed batches out."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from hotpath.buffer_pool cimport BufferPool
from hotpath.event cimport packet_event
from hotpath.json_encoder cimport MAX_DOCUMENT_BYTES, EventEncoder
from hotpath.record_batch cimport batch_builder
from hotpath.sealed_batch cimport batch_list


cdef struct open_batch:
    batch_builder builder
    uint64_t first_sequence
    int64_t opened_ns


cdef struct batcher_counts:
    uint64_t encoded
    uint64_t open_events
    uint64_t sealed_events
    uint64_t pauses
    uint64_t batches
    uint64_t raw_bytes
    uint64_t sealed_bytes
    # No memory to seal a batch: add() must not be called until resume() says it may be.
    bint paused


cdef class Batcher:
    """The open batches of all partitions; one thread at a time.

    Each open batch always has room for one more event, so that no event is ever without a place.
    """

    cdef EventEncoder encoder
    cdef BufferPool pool
    cdef uint32_t partitions
    cdef open_batch *open
    cdef int64_t linger_ns
    cdef uint32_t keyless_partition
    cdef batcher_counts counts
    cdef batch_list sealed  # for the owner to take
    cdef char document[MAX_DOCUMENT_BYTES]

    cdef void add(
        self, const packet_event *event, int64_t utc_offset_ns, int64_t now_ns
    ) noexcept nogil
    cdef bint seal(self, uint32_t partition, bint beyond_bound) noexcept nogil
    cdef void seal_due(self, int64_t now_ns) noexcept nogil
    cdef void seal_all(self, bint beyond_bound) noexcept nogil
    cdef bint resume(self) noexcept nogil
    cdef int64_t next_due_ns(self) noexcept nogil  # INT64_MAX: nothing is open
