# SPDX-License-Identifier: Apache-2.0
"""TC filters at the clsact qdisc, for kernels without TCX links.

A filter stays when its process dies. So each of ours carries, in its name, the name of a socket
(of the abstract kind, in the interface's network namespace) that its process holds open: as long
as the name is taken, the owner lives. That works across PID namespaces and cannot be fooled by
a process number given out again. sweep_clsact() removes filters whose owner is gone.

The name also says whether the qdisc was made by this library. Later links on the interface take
that over, and the one that leaves an interface without filters removes the qdisc, whatever the
order in which they go. A qdisc that somebody else made stays.

A link keeps two sockets of the interface's network namespace, and with them the namespace, until
it is closed; it can be closed from another namespace.
"""

from __future__ import annotations

import errno
import re
import secrets
import socket
from typing import TYPE_CHECKING, Literal, NamedTuple

from pybpf import capabilities as caps
from pybpf._link import Link, describe_interface, interface_exists
from pybpf._netlink import ETH_P_ALL, PARENTS, Filter, NetlinkError, RouteSocket
from pybpf.errors import (
    AttachError,
    HookBusy,
    NoSuchInterface,
    ProgramTypeError,
    PybpfError,
    error_from_errno,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybpf._object import Program

# Where the kernel itself begins when it may choose.
_FIRST_PRIORITY = 0xC000
_GONE = (errno.ENODEV, errno.ENOENT, errno.EINVAL)


_NAME = re.compile(r"(?P<program>.+):pybpf:(?P<token>[0-9a-f]{32}):(?P<qdisc>own|found)")


class _Name(NamedTuple):
    """What a filter's name says of it."""

    program: str
    token: str
    qdisc_is_ours: bool

    @classmethod
    def parse(cls, text: str | None) -> _Name | None:
        match = _NAME.fullmatch(text or "")
        return match and cls(match["program"], match["token"], match["qdisc"] == "own")

    def __str__(self) -> str:
        return f"{self.program}:pybpf:{self.token}:{'own' if self.qdisc_is_ours else 'found'}"


class ClsactLink(Link):
    """A filter of ours: see Link."""

    def __init__(
        self,
        program: str,
        ifindex: int,
        direction: str,
        *,
        name: _Name,
        handle: int,
        priority: int,
        route: RouteSocket,
        sign_of_life: socket.socket,
    ) -> None:
        super().__init__("clsact", ifindex, program, direction, sign_of_life.detach())
        self.handle = handle
        self.priority = priority
        self._name = name
        self._route = route

    def _detach(self) -> None:
        try:
            with self._route as route:
                _remove(route, self.ifindex, [(str(self._name), self.direction or "")])
        except NetlinkError as error:
            raise _attach_error(error, "detaching from", self.ifindex) from error
        finally:
            super()._detach()


def attach_clsact(
    program: Program,
    ifindex: int,
    direction: Literal["ingress", "egress"],
    *,
    handle: int | None = None,
    priority: int | None = None,
) -> ClsactLink:
    """Attach to TC by a filter; return TC_ACT_UNSPEC (-1) so that the other filters run too.

    Without `priority` the filter comes before all others, without `handle` it gets one that
    nobody has. A filter that is there is never replaced: HookBusy.
    """
    if direction not in PARENTS:
        raise ValueError(f"direction must be ingress or egress, not {direction!r}")
    if program.type != "sched_cls":
        raise ProgramTypeError(f"program {program.name} is of type {program.type}, not sched_cls")
    if priority is not None and not 1 <= priority <= 0xFFFF:
        raise ValueError(f"priority must be between 1 and 65535, not {priority}")
    if handle is not None and not 1 <= handle <= 0x7FFFFFFF:
        raise ValueError(f"handle must be between 1 and 2147483647, not {handle}")
    fd = program.fd
    token = secrets.token_hex(16)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sign_of_life:
        sign_of_life.bind(_address(token))
        route = RouteSocket()
        made_qdisc = False
        try:
            made_qdisc = _ensure_qdisc(route, ifindex, direction)
            there = [entry for side in PARENTS for entry in route.filters(ifindex, side)]
            marks = [_Name.parse(entry.name) for entry in there]
            ours = made_qdisc or any(mark and mark.qdisc_is_ours for mark in marks)
            name = _Name(program.name, token, ours)
            if priority is None:
                priority = _free_priority(e for e in there if e.direction == direction)
            if handle is None:
                handle = secrets.randbelow(0x7FFFFFFE) + 1
            route.add_bpf_filter(
                ifindex, direction, handle=handle, priority=priority, name=str(name), fd=fd
            )
        except BaseException as error:
            if made_qdisc:
                _remove_empty_qdisc(route, ifindex)
            route.close()
            if isinstance(error, NetlinkError):
                raise _attach_error(error, f"attaching {program.name} to", ifindex) from error
            raise
        return ClsactLink(
            program.name,
            ifindex,
            direction,
            name=name,
            handle=handle,
            priority=priority,
            route=route,
            sign_of_life=sign_of_life,
        )


def sweep_clsact(ifindex: int, program_name_prefix: str) -> int:
    """Remove the filters that dead processes left for programs so named; returns how many."""
    try:
        with RouteSocket() as route:
            leftovers = []
            for direction in PARENTS:
                for entry in route.filters(ifindex, direction):
                    name = _Name.parse(entry.name)
                    if (
                        name
                        and name.program.startswith(program_name_prefix)
                        and not _is_alive(name.token)
                    ):
                        leftovers.append((str(name), direction))
            return _remove(route, ifindex, leftovers)
    except NetlinkError as error:
        raise _attach_error(error, "removing old filters from", ifindex) from error


def _address(token: str) -> str:
    return f"\0pybpf/clsact/{token}"


def _is_alive(token: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(_address(token))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def _ensure_qdisc(route: RouteSocket, ifindex: int, direction: str) -> bool:
    """True when the qdisc had to be made."""
    if route.create_clsact(ifindex):
        return True
    if route.qdisc_kind(ifindex) == "ingress" and direction == "egress":
        # The kernel would take an egress filter there, and run it at ingress.
        raise AttachError(
            f"{describe_interface(ifindex)} has an ingress qdisc, which has no egress side",
            ifindex=ifindex,
            hint="replace it by a clsact qdisc, or capture ingress only",
        )
    return False


def _free_priority(there: Iterable[Filter]) -> int:
    """The priority before all others, or the nearest to that."""
    by_priority = {entry.priority: entry for entry in there}
    if not by_priority:
        return _FIRST_PRIORITY
    first = min(by_priority)
    if first > 1:
        return first - 1
    if by_priority[1].kind == "bpf" and by_priority[1].protocol == ETH_P_ALL:
        return 1  # shared: among the filters of a priority, a new one comes first
    return next(number for number in range(2, 1 << 16) if number not in by_priority)


def _remove(route: RouteSocket, ifindex: int, wanted: list[tuple[str, str]]) -> int:
    """Delete the filters of these names, and the qdisc if it was ours and is empty then."""
    removed = 0
    qdisc_is_ours = False
    for text, direction in wanted:
        # By name, not by what we remember: the interface may be another by now.
        for entry in route.filters(ifindex, direction):
            if entry.kind != "bpf" or entry.name != text:
                continue
            try:
                route.delete_bpf_filter(
                    ifindex, direction, handle=entry.handle, priority=entry.priority
                )
            except NetlinkError as error:
                if error.errno in _GONE:
                    continue
                raise
            removed += 1
            name = _Name.parse(text)
            qdisc_is_ours |= name is not None and name.qdisc_is_ours
    if qdisc_is_ours:
        _remove_empty_qdisc(route, ifindex)
    return removed


def _remove_empty_qdisc(route: RouteSocket, ifindex: int) -> None:
    # Between the look and the removal somebody may add a filter, which then is lost: netlink
    # has no "remove if empty". The window is some microseconds.
    try:
        if not any(route.filters(ifindex, direction) for direction in PARENTS):
            route.delete_clsact(ifindex)
    except NetlinkError as error:
        if error.errno not in _GONE:
            raise


def _attach_error(error: NetlinkError, what: str, ifindex: int) -> PybpfError:
    number = error.errno or 0
    where = describe_interface(ifindex)
    if number in (errno.EPERM, errno.EACCES):
        needed = (caps.CAP_BPF, caps.CAP_NET_ADMIN)
        return error_from_errno(number, f"{what} {where}", needed)
    if number == errno.ENODEV or not interface_exists(ifindex):
        return NoSuchInterface(f"there is no interface {ifindex}", ifindex=ifindex, errno=number)
    if number == errno.EEXIST:
        return HookBusy(
            f"{where}: there is a filter with this priority and handle",
            ifindex=ifindex,
            errno=number,
            hint="leave handle and priority out, or choose others",
        )
    return AttachError(f"{what} {where}: {error.strerror}", ifindex=ifindex, errno=number)
