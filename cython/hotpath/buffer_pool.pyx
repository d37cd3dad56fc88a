# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3
"""Memory for sealed batches: bounded, kept for reuse, given back from any thread.

A large buffer that malloc maps afresh costs a page fault per 4 KiB, ten times the copy into it;
so buffers are kept by size class and handed out again.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdlib cimport free, malloc

from hotpath._linux cimport (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    close,
    eventfd,
    eventfd_write,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)


cdef enum:
    # In front of each buffer, its class; sixteen bytes keep malloc's alignment.
    PREFIX_BYTES = 16


cdef inline size_t class_bytes(int size_class) noexcept nogil:
    return (<size_t>(SMALLEST_BUFFER_BYTES // 4) * (4 + (size_class & 3))) << (size_class >> 2)


cdef inline int class_of(size_t size) noexcept nogil:
    cdef int size_class = 0
    while size_class < BUFFER_CLASSES and class_bytes(size_class) < size:
        size_class += 1
    return size_class


cdef size_t buffer_class_bytes(size_t size) noexcept nogil:
    """What a buffer of size bytes takes of the pool's bound."""
    return class_bytes(class_of(size + PREFIX_BYTES))


cdef class BufferPool:
    """Buffers of at most memory_bytes in all, those in use and those kept together."""

    def __cinit__(self, memory_bytes: int) -> None:
        self.released_fd = -1
        pthread_mutex_init(&self.mutex, NULL)
        if memory_bytes < SMALLEST_BUFFER_BYTES:
            raise ValueError(f"memory_bytes must be at least {SMALLEST_BUFFER_BYTES}")
        self.memory_bytes = memory_bytes
        self.released_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.released_fd < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self) -> None:
        self.drop_kept(self.kept)
        if self.released_fd >= 0:
            close(self.released_fd)
        pthread_mutex_destroy(&self.mutex)

    @property
    def used_bytes(self) -> int:
        """Bytes of the bound that are handed out."""
        return self.used

    @property
    def kept_bytes(self) -> int:
        """Bytes of the bound that wait for reuse."""
        return self.kept

    def acquire(self, size: int) -> PooledBuffer | None:
        """A writable buffer of size bytes, or None when the bound is reached."""
        cdef PooledBuffer buffer
        cdef void *memory
        if size < 0:
            raise ValueError("size must not be negative")
        memory = self.take(size, False)
        if memory is NULL:
            return None
        buffer = PooledBuffer.__new__(PooledBuffer)
        buffer.own(self, memory, <char *>memory, size)
        return buffer

    cdef void *take(self, size_t size, bint beyond_bound) noexcept nogil:
        cdef int size_class = class_of(size + PREFIX_BYTES)
        cdef size_t bytes_
        cdef char *memory = NULL
        if size_class == BUFFER_CLASSES:
            return NULL
        bytes_ = class_bytes(size_class)
        pthread_mutex_lock(&self.mutex)
        if self.free_lists[size_class] is not NULL:
            memory = <char *>self.free_lists[size_class]
            self.free_lists[size_class] = self.free_lists[size_class].next
            self.kept -= bytes_
        else:
            if self.used + self.kept + bytes_ > self.memory_bytes:
                self.drop_kept(self.used + self.kept + bytes_ - self.memory_bytes)
            if beyond_bound or self.used + self.kept + bytes_ <= self.memory_bytes:
                memory = <char *>malloc(bytes_)
        if memory is NULL:
            self.awaited = True
        else:
            self.used += bytes_
        pthread_mutex_unlock(&self.mutex)
        if memory is NULL:
            return NULL
        (<int *>memory)[0] = size_class
        return memory + PREFIX_BYTES

    cdef void give_back(self, void *memory) noexcept nogil:
        cdef free_buffer *buffer = <free_buffer *>(<char *>memory - PREFIX_BYTES)
        cdef int size_class = (<int *>buffer)[0]
        cdef size_t bytes_ = class_bytes(size_class)
        cdef bint wake
        pthread_mutex_lock(&self.mutex)
        self.used -= bytes_
        if self.used + self.kept + bytes_ > self.memory_bytes:
            free(buffer)
        else:
            buffer.next = self.free_lists[size_class]
            self.free_lists[size_class] = buffer
            self.kept += bytes_
        wake = self.awaited
        self.awaited = False
        pthread_mutex_unlock(&self.mutex)
        if wake:
            eventfd_write(self.released_fd, 1)

    cdef void drop_kept(self, size_t wanted) noexcept nogil:
        """Free kept buffers, large ones first, until wanted bytes are free or none is left."""
        cdef size_t dropped = 0
        cdef int size_class = BUFFER_CLASSES - 1
        cdef free_buffer *buffer
        while size_class >= 0 and dropped < wanted:
            buffer = self.free_lists[size_class]
            if buffer is NULL:
                size_class -= 1
                continue
            self.free_lists[size_class] = buffer.next
            free(buffer)
            dropped += class_bytes(size_class)
        self.kept -= dropped


@cython.no_gc_clear  # its end needs what it refers to
cdef class PooledBuffer:
    """Bytes in a pool's memory, writable through the buffer protocol."""

    def __init__(self) -> None:
        raise TypeError("use BufferPool.acquire")

    cdef void own(self, BufferPool pool, void *memory, char *start, Py_ssize_t length):
        self.pool = pool
        self.memory = memory
        self.start = start
        self.length = length

    def __dealloc__(self) -> None:
        # Every view holds a reference, so there is none left.
        if self.memory is not NULL:
            self.pool.give_back(self.memory)

    def __len__(self) -> int:
        return self.length

    def __getbuffer__(self, Py_buffer *view, int flags) -> None:
        if self.released:
            raise ValueError("the buffer was released")
        PyBuffer_FillInfo(view, self, self.start, self.length, False, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *view) -> None:
        self.exports -= 1
        self.settle()

    def release(self) -> None:
        """Give the memory back to the pool, once the last view of it is gone."""
        self.released = True
        self.settle()

    cdef void settle(self):
        if self.released and self.exports == 0 and self.memory is not NULL:
            self.pool.give_back(self.memory)
            self.memory = NULL
            self.start = NULL
