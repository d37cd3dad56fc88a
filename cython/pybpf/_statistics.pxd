# SPDX-License-Identifier: Apache-2.0


cdef class RunStatistics:
    cdef int fd
