# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3
"""Batches on their way from the pump to Python."""

cimport cython

from hotpath.buffer_pool cimport BufferPool, PooledBuffer


@cython.no_gc_clear  # its end needs what it refers to
cdef class SealedBatch(PooledBuffer):
    """Some hundred or thousand events of one partition, ready to be sent or written."""

    def __init__(self) -> None:
        raise TypeError("sealed batches come from Pump.take")

    def __repr__(self) -> str:
        return (
            f"<SealedBatch partition {self.partition}: {self.events} events"
            f" from {self.first_sequence}, {self.length} bytes>"
        )


cdef list to_objects(batch_list batches, BufferPool pool):
    cdef list objects = []
    cdef SealedBatch batch
    cdef sealed_batch *memory
    try:
        while batches.first is not NULL:
            batch = SealedBatch.__new__(SealedBatch)
            memory = batches.first
            batches.first = memory.next
            batch.own(pool, memory, <char *>memory + sizeof(sealed_batch), memory.size)
            batch.partition = memory.partition
            batch.events = memory.events
            batch.first_sequence = memory.first_sequence
            batch.raw_bytes = memory.raw_bytes
            objects.append(batch)
    except BaseException:
        give_back_all(batches, pool)
        raise
    return objects


cdef void give_back_all(batch_list batches, BufferPool pool) noexcept:
    cdef sealed_batch *memory
    while batches.first is not NULL:
        memory = batches.first
        batches.first = memory.next
        pool.give_back(memory)
