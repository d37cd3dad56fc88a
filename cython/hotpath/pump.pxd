# SPDX-License-Identifier: Apache-2.0
"""From the ring to sealed batches, in one native thread."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from hotpath._linux cimport pthread_mutex_t
from hotpath.batcher cimport Batcher, batcher_counts
from hotpath.cpu_sequences cimport cpu_sequences
from hotpath.json_encoder cimport EventEncoder
from hotpath.sealed_batch cimport batch_list
from pybpf._ring cimport RingBuffer

# Reasons, which are indices of drain_counts.rejected
cdef enum:
    REJECTED_KIND
    REJECTED_VERSION
    REJECTED_LENGTH
    REJECTED_CPU
    REJECTIONS

# How a run over the ring ended
cdef enum run_end:
    RUN_EMPTY   # nothing more to read
    RUN_BUSY    # the next record is still being written
    RUN_BOUND   # there may be more
    RUN_PAUSED  # no memory to seal a batch


cdef struct drain_counts:
    uint64_t drained
    uint64_t rejected[REJECTIONS]
    uint64_t sequence_gaps
    uint64_t sequence_repeats
    int64_t cpu_ns


# What other threads ask of the pump
cdef struct pump_requests:
    int64_t utc_offset_ns
    int64_t stop_deadline_ns
    bint stop
    bint flush


cdef class Pump:
    """Drains one ring into sealed batches; see pump.pyi."""

    cdef RingBuffer ring
    cdef EventEncoder encoder
    cdef Batcher batcher
    cdef object name
    cdef object thread
    cdef bint stopped
    cdef bint finished  # the thread has published its last
    cdef int published_fd
    cdef int control_fd
    cdef int epoll_fd
    cdef char thread_name[16]

    # The drain's own: only the thread looks at it, or who calls step().
    cdef drain_counts counts
    cdef cpu_sequences sequences
    cdef size_t run_bytes
    cdef int64_t now_ns
    cdef int64_t utc_offset_ns
    cdef int64_t cpu_mark_ns
    cdef int poll_timeout_ms
    cdef int idle_timeout_ms
    cdef uint64_t drained_before_wait

    # The drain encodes under it, a run at a time; set_interface() changes the encoder under it.
    cdef pthread_mutex_t encoder_mutex

    # Shared between threads, under the mutex, which is held for some instructions only and never
    # while the GIL is asked for.
    cdef pthread_mutex_t mutex
    cdef pump_requests requests
    cdef batch_list published
    cdef drain_counts published_counts
    cdef batcher_counts published_batcher_counts
    cdef uint64_t taken_events

    cdef void run(self) noexcept nogil
    cdef run_end cycle(self) noexcept nogil
    cdef void wait(self, run_end end, int64_t stop_deadline_ns) noexcept nogil
    cdef run_end drain(self) noexcept nogil
    cdef void take_record(self, const unsigned char *record, uint32_t length) noexcept nogil
    cdef void publish(self) noexcept nogil
    cdef pump_requests look_at_requests(self, bint take_flush) noexcept nogil
    cdef object open_descriptors(self)
    cdef object require_not_running(self)
