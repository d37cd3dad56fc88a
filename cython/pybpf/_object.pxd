# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint32_t

from pybpf._core cimport ObjectHandle
from pybpf._libbpf cimport bpf_program


cdef class Object:
    cdef ObjectHandle handle
    cdef object _programs
    cdef object _maps


cdef class Program:
    cdef ObjectHandle handle
    cdef bpf_program *pointer  # dangling once the handle is closed
    cdef str _name
    cdef str _section

    @staticmethod
    cdef Program from_object(ObjectHandle handle, bpf_program *pointer)
    cdef int descriptor(self) except -1


cdef class TestRunResult:
    cdef readonly uint32_t retval
    cdef readonly uint32_t duration_ns
    cdef readonly bytes data_out
    cdef readonly bytes ctx_out
