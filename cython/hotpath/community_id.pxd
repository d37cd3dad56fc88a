# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint16_t

from hotpath.event cimport flow_key

cdef enum:
    COMMUNITY_ID_BYTES = 30  # "1:" and the base64 of a SHA-1

cdef int write_community_id(const flow_key *key, uint16_t seed, char *out) noexcept nogil
