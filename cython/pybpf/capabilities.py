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
