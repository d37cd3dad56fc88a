# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    MAX_NAME_BYTES = 15  # the kernel's IFNAMSIZ without the final zero
    MAX_NAME_TEXT_BYTES = 3 * MAX_NAME_BYTES  # every byte replaced by U+FFFD


cdef struct interface_name:
    uint32_t ifindex
    uint8_t length
    char text[MAX_NAME_TEXT_BYTES]  # as it stands between the quotes of a JSON string


cdef class InterfaceNames:
    cdef interface_name *names  # sorted by ifindex
    cdef size_t count
    cdef size_t allocated

    cdef size_t place_of(self, uint32_t ifindex) noexcept nogil
    cdef const interface_name *find(self, uint32_t ifindex) noexcept nogil
    cdef bint set(self, uint32_t ifindex, name) except -1
    cdef int grow(self) except -1
