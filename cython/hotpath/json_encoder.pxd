# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from hotpath.event cimport packet_event
from hotpath.flow_cache cimport FlowCache, flow_entry
from hotpath.interface_names cimport InterfaceNames

cpdef enum:
    # Room that encode_event() may write to, whatever it is given.
    MAX_DOCUMENT_BYTES = 2048

cdef enum:
    SECOND_TEXT_BYTES = 35  # {"@timestamp":"2026-11-23T10:00:00.


cdef class EventEncoder:
    cdef FlowCache flows
    cdef InterfaceNames interfaces
    cdef uint16_t seed
    cdef int64_t second_start_ns  # the second that second_text shows
    cdef char second_text[SECOND_TEXT_BYTES]
    cdef uint16_t constant_length
    cdef char constant_text[MAX_DOCUMENT_BYTES]
    # The flow of the last event, with the record's key; valid until the next call.
    cdef flow_entry *flow

    cdef Py_ssize_t encode_event(
        self, const packet_event *event, int64_t utc_offset_ns, uint64_t sequence, char *out
    ) noexcept nogil
    cdef flow_entry *add_flow(self, const packet_event *event, uint32_t hash) noexcept nogil
    cdef void start_second(self, int64_t utc_ns) noexcept nogil
