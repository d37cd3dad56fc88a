# SPDX-License-Identifier: Apache-2.0
"""Each CPU numbers its records: whether one of them never arrived."""

from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memset

cdef enum:
    MAX_CPUS = 8192  # the kernel's own limit


cdef struct cpu_sequences:
    uint64_t *expected  # of each CPU; UINT64_MAX: whatever comes first
    uint64_t gaps       # numbers that were left out
    uint64_t repeats    # records whose number had been there


cdef inline int init_sequences(cpu_sequences *sequences, bint from_zero) noexcept nogil:
    """Without from_zero each CPU goes on from where it is; -1 without memory."""
    sequences.expected = <uint64_t *>calloc(MAX_CPUS, sizeof(uint64_t))
    if sequences.expected is NULL:
        return -1
    if not from_zero:
        memset(sequences.expected, 0xFF, MAX_CPUS * sizeof(uint64_t))
    return 0


cdef inline void check_sequence(
    cpu_sequences *sequences, uint32_t cpu, uint64_t sequence
) noexcept nogil:
    cdef uint64_t expected = sequences.expected[cpu]
    if sequence < expected and expected != UINT64_MAX:
        sequences.repeats += 1
        return
    if sequence > expected:
        sequences.gaps += sequence - expected
    sequences.expected[cpu] = sequence + 1
