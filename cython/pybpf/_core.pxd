# SPDX-License-Identifier: Apache-2.0
from pybpf._libbpf cimport bpf_object


# Owns the bpf_object of one ELF file. Object, Program and Map refer to it and never to each
# other, so there is no reference cycle and the last of them to go frees it.
cdef class ObjectHandle:
    cdef bpf_object *pointer  # NULL once closed
    cdef str name
    cdef bint loaded
    cdef bint load_tried

    cdef int require_open(self) except -1
    cdef int require_unloaded(self, str what) except -1
    cdef void close(self) noexcept


# libbpf's messages on this thread between start_messages() and take_messages().
cdef void start_messages() noexcept nogil
cdef str take_messages()
cdef int fail(int code, str operation, tuple capabilities=*) except -1
