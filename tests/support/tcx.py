# SPDX-License-Identifier: Apache-2.0
"""What is attached by TCX, asked of the kernel itself: the bpftool of Debian 12 does not know."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_PROG_QUERY = 16
_TCX_INGRESS, _TCX_EGRESS = 46, 47
_MAX_PROGRAMS = 64
_libc = ctypes.CDLL(None, use_errno=True)


def tcx_programs(ifindex: int) -> int:
    """How many, both directions together; in the calling thread's namespace."""
    return sum(_count(ifindex, attach_type) for attach_type in (_TCX_INGRESS, _TCX_EGRESS))


def _count(ifindex: int, attach_type: int) -> int:
    ids = (ctypes.c_uint32 * _MAX_PROGRAMS)()
    # target_ifindex, attach_type, query_flags, attach_flags, prog_ids, prog_cnt; the rest is 0
    fields = struct.pack("=IIIIQI", ifindex, attach_type, 0, 0, ctypes.addressof(ids), len(ids))
    attributes = ctypes.create_string_buffer(fields, 64)
    if _libc.syscall(_SYS_BPF, _PROG_QUERY, attributes, len(attributes)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(struct.unpack_from("=I", attributes, 24)[0])
