# SPDX-License-Identifier: Apache-2.0


cdef class Link:
    cdef readonly str kind
    cdef readonly int ifindex
    cdef readonly str program
    cdef readonly object direction
    cdef int descriptor  # -1 once detached
