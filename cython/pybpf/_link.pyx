# SPDX-License-Identifier: Apache-2.0
# cython: auto_pickle=False, nonecheck=True
"""Attachments of programs to interfaces that are one descriptor each: XDP, TCX, socket filter.

Another attach type is another function that makes a Link, or a subclass whose _detach() does
more than closing a descriptor (ClsactLink).
"""
from libc.errno cimport (
    EACCES, EBUSY, EEXIST, EINVAL, ENODEV, ENXIO, EOPNOTSUPP, EPERM, ERANGE, errno)
from libc.stdint cimport uint32_t
from libc.string cimport memset

from pybpf cimport _libbpf as lib
from pybpf._object cimport Program

import os
import socket
import warnings

from pybpf import capabilities as caps
from pybpf.errors import (
    AttachError, HookBusy, NoSuchInterface, NotSupported, ObjectClosed, ProgramTypeError,
    error_from_errno)

cdef extern from "<unistd.h>" nogil:
    int close_descriptor "close"(int fd)

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_PACKET
        SOCK_RAW
        SOCK_CLOEXEC
        SOL_SOCKET
        SO_ATTACH_BPF
    cdef struct sockaddr:
        pass
    int open_socket "socket"(int family, int type, int protocol)
    int setsockopt(int fd, int level, int option, const void *value, unsigned int length)
    int bind(int fd, const sockaddr *address, unsigned int length)

cdef extern from "<arpa/inet.h>" nogil:
    unsigned short htons(unsigned short value)

cdef extern from "<linux/if_packet.h>" nogil:
    cdef struct sockaddr_ll:
        unsigned short sll_family
        unsigned short sll_protocol
        int sll_ifindex

cdef extern from "<linux/if_ether.h>" nogil:
    enum:
        ETH_P_ALL

# Linux 6.6; missing from older headers.
cdef enum:
    TCX_INGRESS = 46
    TCX_EGRESS = 47
    TCX_BEFORE = 1 << 3  # BPF_F_BEFORE: without a relative program, before all others

cdef dict TCX_TYPES = {"ingress": TCX_INGRESS, "egress": TCX_EGRESS}
cdef dict XDP_MODES = {
    "auto": 0, "native": lib.XDP_FLAGS_DRV_MODE, "generic": lib.XDP_FLAGS_SKB_MODE}


cdef class Link:
    """One attachment. It ends with close(), or with the process, whatever becomes of the Program.

    Also a context manager. Not thread-safe.
    """

    def __cinit__(self, *args, **settings):
        self.descriptor = -1

    def __init__(self, str kind, int ifindex, str program, direction, int descriptor=-1):
        """For attach functions: takes the descriptor over."""
        self.kind = kind
        self.ifindex = ifindex
        self.program = program
        self.direction = direction
        self.descriptor = descriptor

    @property
    def closed(self):
        return self.descriptor < 0

    def fileno(self):
        """The descriptor that keeps the program attached."""
        if self.closed:
            raise ObjectClosed(f"{self!r} is closed")
        return self.descriptor

    def close(self):
        """Detach; calling it again does nothing."""
        if self.closed:
            return
        self._detach()

    def detach(self):
        """The same as close()."""
        self.close()

    def _detach(self):
        cdef int fd = self.descriptor
        self.descriptor = -1
        with nogil:
            close_descriptor(fd)

    def __enter__(self):
        if self.closed:
            raise ObjectClosed(f"{self!r} is closed")
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        where = f"interface {self.ifindex}"
        if self.direction is not None:
            where += f" {self.direction}"
        return f"<Link {self.kind} {self.program} at {where}>"

    def __del__(self):
        if self.kind is not None and not self.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2)
            self.close()

    def __dealloc__(self):
        if self.descriptor >= 0:
            close_descriptor(self.descriptor)


def describe_interface(int ifindex):
    """Its name with the index, for messages."""
    try:
        return f"{socket.if_indextoname(ifindex)} (interface {ifindex})"
    except (OSError, OverflowError):
        return f"interface {ifindex}"


def interface_exists(int ifindex):
    """Whether the network namespace has an interface of this index."""
    try:
        socket.if_indextoname(ifindex)
    except (OSError, OverflowError):
        return False
    return True


cdef object attach_error(int number, str what, int ifindex, tuple needed):
    where = describe_interface(ifindex)
    if number in (EPERM, EACCES):
        return error_from_errno(number, f"attaching {what} to {where}", needed)
    # Not every hook says ENODEV: XDP links say EINVAL.
    if number in (ENODEV, ENXIO) or not interface_exists(ifindex):
        return NoSuchInterface(f"there is no interface {ifindex}", ifindex=ifindex, errno=number)
    return AttachError(f"attaching {what} to {where}: {os.strerror(number)}",
                       ifindex=ifindex, errno=number)


cdef int require_type(Program program, str wanted) except -1:
    cdef str actual = program.type
    if actual != wanted:
        raise ProgramTypeError(f"program {program._name} is of type {actual}, not {wanted}")
    return 0


cdef int create_link(Program program, int ifindex, int attach_type, uint32_t flags) except? -1:
    """A link's descriptor, or the negative error number."""
    cdef int fd = program.descriptor()
    cdef lib.bpf_link_create_opts options
    cdef int result
    memset(&options, 0, sizeof(options))
    options.sz = sizeof(options)
    options.flags = flags
    with nogil:
        result = lib.bpf_link_create(fd, ifindex, <lib.bpf_attach_type>attach_type, &options)
    return result


def attach_xdp(Program program not None, int ifindex, str mode="auto"):
    """Attach to XDP. "auto": the driver's own where it can, else generic.

    A program that is there already is left alone: HookBusy.
    """
    cdef int result
    cdef tuple needed = (caps.CAP_BPF, caps.CAP_NET_ADMIN)
    if mode not in XDP_MODES:
        raise ValueError(f"mode must be one of {', '.join(XDP_MODES)}, not {mode!r}")
    require_type(program, "xdp")
    result = create_link(program, ifindex, lib.BPF_XDP, XDP_MODES[mode])
    if mode == "auto" and result in (-EOPNOTSUPP, -EINVAL, -ERANGE):
        # The driver has XDP but not for this set-up (MTU, queues, …): generic works always.
        result = create_link(program, ifindex, lib.BPF_XDP, lib.XDP_FLAGS_SKB_MODE)
    if result >= 0:
        return Link("xdp", ifindex, program._name, "ingress", result)
    if result in (-EBUSY, -EEXIST):
        raise HookBusy(
            f"{describe_interface(ifindex)}: another XDP program is attached there",
            ifindex=ifindex, errno=-result,
            hint="use the TC hook, which several programs share, or detach the other program")
    error = attach_error(-result, "XDP", ifindex, needed)
    if mode == "native" and isinstance(error, AttachError) and result != -ENODEV:
        error.hint = "the driver may have no native XDP, or not with this MTU: use generic"
    raise error


def xdp_mode(int ifindex):
    """How XDP runs on the interface now: "native", "generic", "offload", "multiple" or None."""
    cdef lib.bpf_xdp_query_opts options
    cdef int result
    memset(&options, 0, sizeof(options))
    options.sz = sizeof(options)
    with nogil:
        result = lib.bpf_xdp_query(ifindex, 0, &options)
    if result < 0:
        raise attach_error(-result, "nothing (asking for XDP)", ifindex, ())
    # XDP_ATTACHED_* of linux/if_link.h
    return {1: "native", 2: "generic", 3: "offload", 4: "multiple"}.get(options.attach_mode)


def attach_tcx(Program program not None, int ifindex, str direction, *, bint first=False):
    """Attach to TC by a TCX link, after the programs that are there, or before them.

    Return TCX_NEXT (-1) from the program so that the others run too.
    """
    cdef int result
    if direction not in TCX_TYPES:
        raise ValueError(f"direction must be ingress or egress, not {direction!r}")
    require_type(program, "sched_cls")
    result = create_link(program, ifindex, TCX_TYPES[direction], TCX_BEFORE if first else 0)
    if result >= 0:
        return Link("tcx", ifindex, program._name, direction, result)
    if result == -EINVAL:
        from pybpf import features
        if not features.has_tcx():
            raise NotSupported("TCX links", "6.6", errno=EINVAL)
    raise attach_error(-result, f"TCX {direction}", ifindex,
                       (caps.CAP_BPF, caps.CAP_NET_ADMIN))


def attach_socket_filter(Program program not None, int ifindex):
    """Run a socket filter over all packets of an interface, through an AF_PACKET socket.

    The socket is made without a protocol, gets its filter, and only then is bound to the
    interface and to all protocols: no packet reaches its queue unfiltered.
    """
    cdef int program_fd = program.descriptor()
    cdef int fd
    cdef int result
    cdef sockaddr_ll address
    require_type(program, "socket_filter")
    memset(&address, 0, sizeof(address))
    address.sll_family = AF_PACKET
    address.sll_protocol = htons(ETH_P_ALL)
    address.sll_ifindex = ifindex
    if ifindex <= 0:
        raise NoSuchInterface(f"there is no interface {ifindex}", ifindex=ifindex)
    with nogil:
        result = 0
        fd = open_socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)
        if fd < 0:
            result = errno
        elif setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program_fd, sizeof(program_fd)) < 0:
            result = errno
        elif bind(fd, <sockaddr *>&address, sizeof(address)) < 0:
            result = errno
        if result and fd >= 0:
            close_descriptor(fd)
    if result:
        raise attach_error(result, "a socket filter", ifindex, (caps.CAP_NET_RAW,))
    return Link("socket", ifindex, program._name, None, fd)
