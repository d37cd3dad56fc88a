# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint16_t

from hotpath.flow_cache cimport flow_entry
from hotpath.interface_names cimport interface_name

cdef void write_flow_text(
    flow_entry *entry, const interface_name *name, uint16_t seed
) noexcept nogil
cdef char *put_ipv4(char *out, const uint8_t *address) noexcept nogil
cdef char *put_ipv6(char *out, const uint8_t *address) noexcept nogil
