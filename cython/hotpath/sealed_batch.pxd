# SPDX-License-Identifier: Apache-2.0
"""Batches on their way from the pump to Python: an outbox and the object that leaves it."""

from libc.stdint cimport uint32_t, uint64_t

from hotpath.buffer_pool cimport BufferPool, PooledBuffer


# In the pool's memory, in front of the batch's bytes
cdef struct sealed_batch:
    sealed_batch *next
    uint64_t first_sequence
    uint32_t events
    uint32_t partition
    uint32_t size
    uint32_t raw_bytes


# Not thread-safe: its owner's mutex guards it.
cdef struct batch_list:
    sealed_batch *first
    sealed_batch *last

cdef inline void add_batch(batch_list *batches, sealed_batch *batch) noexcept nogil:
    batch.next = NULL
    if batches.first is NULL:
        batches.first = batch
    else:
        batches.last.next = batch
    batches.last = batch

cdef inline batch_list take_all(batch_list *batches) noexcept nogil:
    cdef batch_list taken = batches[0]
    batches.first = NULL
    batches.last = NULL
    return taken

cdef inline void append_all(batch_list *batches, batch_list *more) noexcept nogil:
    if more.first is NULL:
        return
    if batches.first is NULL:
        batches.first = more.first
    else:
        batches.last.next = more.first
    batches.last = more.last
    more.first = NULL
    more.last = NULL


cdef class SealedBatch(PooledBuffer):
    """Some hundred or thousand events of one partition, ready to be sent or written."""

    cdef readonly uint32_t partition
    cdef readonly uint32_t events
    cdef readonly uint64_t first_sequence
    cdef readonly uint32_t raw_bytes


# Each batch of the list becomes a SealedBatch, which owns its memory from then on.
cdef list to_objects(batch_list batches, BufferPool pool)
cdef void give_back_all(batch_list batches, BufferPool pool) noexcept
