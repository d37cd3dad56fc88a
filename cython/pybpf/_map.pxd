# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint32_t

from pybpf._core cimport ObjectHandle
from pybpf._libbpf cimport bpf_map, bpf_map_type


cdef class Map:
    cdef ObjectHandle handle  # None for a map of its own
    cdef bpf_map *pointer     # NULL for a map of its own; dangling once the handle is closed
    cdef int own_fd           # -1 for a map of an object
    cdef str _name
    cdef bpf_map_type _type
    cdef uint32_t _key_size
    cdef uint32_t _value_size
    cdef uint32_t _max_entries

    @staticmethod
    cdef Map from_object(ObjectHandle handle, bpf_map *pointer)
    cdef int descriptor(self) except -1
    cdef bint is_per_cpu(self)
    cdef int require_lookups(self) except -1
    cdef int require_per_cpu(self, bint wanted) except -1
    cdef Py_ssize_t slot_bytes(self) noexcept
    cdef Py_ssize_t value_bytes(self) except -1
    cdef int open_key(self, object key, Py_buffer *buffer) except -1
    cdef list split(self, bytes values)
    cdef bytes join(self, object values)
