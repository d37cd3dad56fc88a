# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint32_t


# A consumer of one BPF ring buffer. C code walks a run of records so, without the GIL:
#
#     if ring.begin():
#         record = ring.next(&length)
#         while record != NULL:
#             ...                       # `record` stays valid until commit()
#             record = ring.next(&length)
#         ring.commit()
#
# One consumer: whoever calls these three must be the only one, and the only one to lease.
# A ring that is closed has nothing to read; close() must not run beside a walk.
cdef class RingBuffer:
    cdef readonly size_t capacity  # bytes, a power of two
    cdef str name
    cdef int descriptor
    cdef size_t page_bytes
    cdef size_t mask
    cdef unsigned long *consumer         # written by us, read by the kernel; its own page
    cdef const unsigned long *producer   # written by the kernel; the data follow on the next page
    cdef const unsigned char *records    # the data, mapped twice in a row
    cdef unsigned long end        # the producer's position at begin()
    cdef unsigned long position   # of the next record to walk
    cdef unsigned long committed  # what the kernel was told
    cdef object lease_open        # the Lease that is not finished, or None

    cdef bint begin(self) noexcept nogil
    cdef const unsigned char *next(self, uint32_t *length) noexcept nogil
    cdef void commit(self) noexcept nogil
    cdef int open(self, int fd, size_t capacity, str name) except -1
    cdef int require_open(self) except -1
    cdef int give_up(self, str what) except -1
    cdef void unmap(self) noexcept


cdef class Lease:
    cdef RingBuffer ring
    cdef list views
    cdef Py_ssize_t exports  # buffers handed out and not yet given back, slices of views included
    cdef const unsigned char *record
    cdef uint32_t length
    cdef size_t bytes_left
    cdef unsigned long start
    cdef bint entered
    cdef bint ended

    cdef void finish(self) noexcept
