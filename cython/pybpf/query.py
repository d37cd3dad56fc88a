# SPDX-License-Identifier: Apache-2.0
"""Who else is there: the programs attached to an interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pybpf import _query
from pybpf._netlink import NetlinkError, RouteSocket
from pybpf.errors import error_from_errno


@dataclass(frozen=True, slots=True)
class Attached:
    """One program at one hook, in the order in which the hook runs them."""

    hook: Literal["xdp", "tcx", "clsact"]
    direction: Literal["ingress", "egress"]
    program_id: int
    """0 for a traffic control filter that is no BPF program."""
    name: str | None
    """The program's; None without CAP_SYS_ADMIN, but a filter's own name is known to all."""
    detail: str | None = None
    """XDP: "native", "generic" or "offload"; clsact: kind, priority and handle."""


def query_attached(ifindex: int) -> list[Attached]:
    """The programs at the interface; TCX needs CAP_NET_ADMIN, names CAP_SYS_ADMIN.

    An interface that does not exist has none.
    """
    found = [
        Attached("xdp", "ingress", number, _query.program_name(number), mode)
        for mode, number in _query.xdp(ifindex)
    ]
    directions: tuple[Literal["ingress", "egress"], ...] = ("ingress", "egress")
    for direction in directions:
        found += [
            Attached("tcx", direction, number, _query.program_name(number))
            for number in _query.tcx(ifindex, direction == "egress")
        ]
    found += _filters(ifindex, directions)
    return found


def _filters(ifindex: int, directions: tuple[Literal["ingress", "egress"], ...]) -> list[Attached]:
    found = []
    try:
        with RouteSocket() as route:
            if route.qdisc_kind(ifindex) is None:
                return []
            for direction in directions:
                for entry in route.filters(ifindex, direction):
                    number = entry.program_id or 0
                    name = (_query.program_name(number) if number else None) or entry.name
                    detail = f"{entry.kind} priority {entry.priority} handle {entry.handle:#x}"
                    found.append(Attached("clsact", direction, number, name, detail))
    except NetlinkError as error:
        raise error_from_errno(error.errno or 0, "asking for traffic control filters") from error
    return found
