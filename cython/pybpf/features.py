# SPDX-License-Identifier: Apache-2.0
"""What the running kernel can do: asked of the kernel itself, never read off its version.

Each probe answers True or False and remembers it for the life of the process. Without the
privilege to ask, it raises PermissionDenied rather than guess, and remembers nothing.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pybpf import _probe
from pybpf import capabilities as caps
from pybpf.errors import NotSupported, error_from_errno

if TYPE_CHECKING:
    from collections.abc import Callable

# linux/bpf.h; older headers lack them.
_KTIME_GET_BOOT_NS = 125
_XDP_LOAD_BYTES = 189
_F_XDP_HAS_FRAGS = 1 << 5


@dataclass(frozen=True, slots=True)
class Feature:
    """Something kernels learnt at some time."""

    name: str
    description: str
    since_kernel: str
    probe: Callable[[], bool]


def _may_ask(program_type: str, *needed: str) -> None:
    """Raise when not even the smallest program loads: then the kernel's no would mean nothing."""
    number = _probe.program(program_type)
    if number in (errno.EPERM, errno.EACCES):
        raise error_from_errno(
            number, f"asking the kernel about {program_type} programs", (caps.CAP_BPF, *needed)
        )


@cache
def has_ringbuf() -> bool:
    """The ring buffer map (Linux 5.8)."""
    _may_ask("socket_filter")
    return _probe.map_type("ringbuf")


@cache
def has_boot_clock() -> bool:
    """The helper bpf_ktime_get_boot_ns (Linux 5.8)."""
    _may_ask("socket_filter")
    return _probe.helper("socket_filter", _KTIME_GET_BOOT_NS)


@cache
def has_xdp_load_bytes() -> bool:
    """The helper bpf_xdp_load_bytes (Linux 5.18)."""
    _may_ask("xdp", caps.CAP_NET_ADMIN)
    return _probe.helper("xdp", _XDP_LOAD_BYTES)


@cache
def has_xdp_frags() -> bool:
    """XDP programs that take packets in several fragments (Linux 5.18)."""
    _may_ask("xdp", caps.CAP_NET_ADMIN)
    return _probe.program("xdp", _F_XDP_HAS_FRAGS) == 0


@cache
def has_tcx() -> bool:
    """TCX links (Linux 6.6)."""
    number = _probe.tcx()
    if number in (errno.EPERM, errno.EACCES):
        raise error_from_errno(
            number, "asking the kernel about TCX", (caps.CAP_BPF, caps.CAP_NET_ADMIN)
        )
    return number == 0


FEATURES = {
    feature.name: feature
    for feature in (
        Feature("ringbuf", "BPF ring buffers", "5.8", has_ringbuf),
        Feature("boot_clock", "bpf_ktime_get_boot_ns", "5.8", has_boot_clock),
        Feature("xdp_load_bytes", "bpf_xdp_load_bytes", "5.18", has_xdp_load_bytes),
        Feature("xdp_frags", "XDP over several fragments", "5.18", has_xdp_frags),
        Feature("tcx", "TCX links", "6.6", has_tcx),
    )
}


def require(name: str) -> None:
    """Raise NotSupported unless the kernel has the feature of FEATURES."""
    feature = FEATURES[name]
    if not feature.probe():
        raise NotSupported(feature.description, feature.since_kernel)
