# SPDX-License-Identifier: Apache-2.0
"""Which capabilities the calling thread has, by the kernel's names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CAP_NET_ADMIN = "CAP_NET_ADMIN"
CAP_NET_RAW = "CAP_NET_RAW"
CAP_SYS_ADMIN = "CAP_SYS_ADMIN"
CAP_PERFMON = "CAP_PERFMON"
CAP_BPF = "CAP_BPF"

# Bit numbers of linux/capability.h.
_BITS = {CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39}
# CAP_SYS_ADMIN was split into these in Linux 5.8 and still implies them.
_IMPLIED_BY_SYS_ADMIN = frozenset({CAP_PERFMON, CAP_BPF})


# The kernel's is_net_admin_prog_type and is_perfmon_prog_type, in libbpf's names.
_NEED_NET_ADMIN = frozenset(
    {
        "sched_cls",
        "sched_act",
        "xdp",
        "lwt_in",
        "lwt_out",
        "lwt_xmit",
        "lwt_seg6local",
        "sk_skb",
        "sk_msg",
        "flow_dissector",
        "sock_ops",
        "cgroup_device",
        "cgroup_sock",
        "cgroup_sock_addr",
        "cgroup_sockopt",
        "cgroup_sysctl",
        "ext",
        "netfilter",
    }
)
_NEED_PERFMON = frozenset(
    {
        "kprobe",
        "tracepoint",
        "perf_event",
        "raw_tracepoint",
        "raw_tracepoint_writable",
        "tracing",
        "lsm",
        "struct_ops",
        "ext",
    }
)


def needed_to_load(program_type: str) -> tuple[str, ...]:
    """What the kernel asks of who loads programs of this type."""
    needed = [CAP_BPF]
    if program_type in _NEED_NET_ADMIN:
        needed.append(CAP_NET_ADMIN)
    if program_type in _NEED_PERFMON:
        needed.append(CAP_PERFMON)
    return tuple(needed)


def effective() -> frozenset[str]:
    """Those of the capabilities above that are in the effective set, implied ones included."""
    # Capabilities belong to threads: /proc/self would be the main thread's.
    status = Path("/proc/thread-self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    mask = int(line.split()[1], 16)
    held = {name for name, bit in _BITS.items() if mask >> bit & 1}
    if CAP_SYS_ADMIN in held:
        held |= _IMPLIED_BY_SYS_ADMIN
    return frozenset(held)


def missing(needed: Iterable[str]) -> frozenset[str]:
    """Those of `needed` that the calling thread does not have."""
    return frozenset(needed) - effective()
