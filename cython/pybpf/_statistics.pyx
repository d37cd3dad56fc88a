# SPDX-License-Identifier: Apache-2.0
# cython: auto_pickle=False
"""Counting the runs and the time of programs."""
from pybpf cimport _libbpf as lib
from pybpf._core cimport fail

import warnings

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)


cdef class RunStatistics:
    """Has the kernel count the runs and time of all programs while it is open (CAP_SYS_ADMIN).

    Costs some 20 ns per run of every program on the machine. Read with Program.info().
    """

    def __cinit__(self):
        self.fd = -1

    def __init__(self):
        cdef int fd
        with nogil:
            fd = lib.bpf_enable_stats(lib.BPF_STATS_RUN_TIME)
        if fd < 0:
            fail(fd, "switching run statistics on", ("CAP_SYS_ADMIN",))
        self.fd = fd

    def close(self):
        """Stop counting, unless somebody else wants it."""
        if self.fd >= 0:
            close_descriptor(self.fd)
            self.fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        if self.fd >= 0:
            warnings.warn("unclosed RunStatistics", ResourceWarning, stacklevel=2)
            self.close()
