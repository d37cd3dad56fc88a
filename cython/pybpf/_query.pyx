# SPDX-License-Identifier: Apache-2.0
"""Which programs sit at an interface, by their ids."""
from libc.errno cimport EINVAL
from libc.stdint cimport uint32_t
from libc.string cimport memset

from pybpf cimport _libbpf as lib
from pybpf._core cimport fail

from pybpf import capabilities as caps

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

cdef enum:
    # linux/bpf.h of 6.6
    TCX_INGRESS = 46
    TCX_EGRESS = 47
    PROGRAMS_MAX = 64  # BPF_MPROG_MAX


def tcx(int ifindex, bint egress):
    """Ids of the TCX programs in the order they run; empty on a kernel without TCX."""
    cdef uint32_t ids[PROGRAMS_MAX]
    cdef lib.prog_query_opts options
    cdef int result
    memset(&options, 0, sizeof(options))
    options.sz = sizeof(options)
    options.prog_ids = ids
    options.prog_cnt = PROGRAMS_MAX
    with nogil:
        result = lib.bpf_prog_query_opts(
            ifindex, <lib.bpf_attach_type>(TCX_EGRESS if egress else TCX_INGRESS), &options)
    if result == -EINVAL:
        return []
    if result < 0:
        fail(result, "asking for TCX programs", (caps.CAP_NET_ADMIN,))
    return [ids[i] for i in range(min(options.prog_cnt, <uint32_t>PROGRAMS_MAX))]


def xdp(int ifindex):
    """(mode, id) of each XDP program: modes "native", "generic", "offload"."""
    cdef lib.bpf_xdp_query_opts options
    cdef int result
    memset(&options, 0, sizeof(options))
    options.sz = sizeof(options)
    with nogil:
        result = lib.bpf_xdp_query(ifindex, 0, &options)
    if result < 0:
        fail(result, "asking for XDP programs")
    found = (("native", options.drv_prog_id), ("generic", options.skb_prog_id),
             ("offload", options.hw_prog_id))
    return [(mode, id) for mode, id in found if id]


def program_name(uint32_t number):
    """The kernel's name of a program, None without CAP_SYS_ADMIN or when it has gone."""
    cdef lib.bpf_prog_info info
    cdef uint32_t length = sizeof(info)
    cdef int fd
    cdef int result
    memset(&info, 0, sizeof(info))
    with nogil:
        fd = lib.bpf_prog_get_fd_by_id(number)
        result = fd
        if fd >= 0:
            result = lib.bpf_obj_get_info_by_fd(fd, &info, &length)
            close_descriptor(fd)
    if result < 0:
        return None
    return (<char *>info.name).decode("utf-8", "replace") or None
