# SPDX-License-Identifier: Apache-2.0
"""Memory for sealed batches: bounded, kept for reuse, given back from any thread."""

from libc.stdint cimport uint64_t

from hotpath._linux cimport pthread_mutex_t

cdef enum:
    # 4 KiB, 5, 6, 7, 8, 10, 12, 14, 16, ... 14 MiB: four steps to each doubling,
    # so that at most a fifth of a buffer is unused.
    SMALLEST_BUFFER_BYTES = 4096
    BUFFER_CLASSES = 48


cdef struct free_buffer:
    free_buffer *next


cdef size_t buffer_class_bytes(size_t size) noexcept nogil


cdef class BufferPool:
    """Buffers of at most memory_bytes in all, those in use and those kept together.

    Every function may be called from any thread.
    """

    cdef readonly size_t memory_bytes
    cdef pthread_mutex_t mutex
    cdef free_buffer *free_lists[BUFFER_CLASSES]
    cdef size_t used
    cdef size_t kept
    cdef int released_fd
    cdef bint awaited

    # A buffer of at least size bytes, or NULL when the bound is reached: then released_fd becomes
    # readable at the next release. beyond_bound is for the last batches of a pump that stops.
    cdef void *take(self, size_t size, bint beyond_bound) noexcept nogil
    cdef void give_back(self, void *memory) noexcept nogil
    cdef void drop_kept(self, size_t wanted) noexcept nogil


cdef class PooledBuffer:
    """Bytes in a pool's memory, writable through the buffer protocol."""

    cdef BufferPool pool
    cdef void *memory
    cdef char *start
    cdef Py_ssize_t length
    cdef Py_ssize_t exports
    cdef bint released

    # memory is what pool.take gave; the bytes are length bytes from start, inside it.
    cdef void own(self, BufferPool pool, void *memory, char *start, Py_ssize_t length)
    cdef void settle(self)
