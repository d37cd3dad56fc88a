# SPDX-License-Identifier: Apache-2.0
"""As much of route netlink as traffic control filters need: see rtnetlink(7)."""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/netlink.h
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
NLM_F_ACK_TLVS, NLM_F_DUMP_INTR = 0x200, 0x10
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
# linux/rtnetlink.h
RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER = 44, 45, 46
TCA_KIND, TCA_OPTIONS = 1, 2
# linux/pkt_sched.h, linux/pkt_cls.h
TC_H_CLSACT = 0xFFFFFFF1
CLSACT_HANDLE = 0xFFFF0000
PARENTS = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
TCA_BPF_FD, TCA_BPF_NAME, TCA_BPF_FLAGS, TCA_BPF_ID = 6, 7, 8, 11
TCA_BPF_FLAG_ACT_DIRECT = 1
ETH_P_ALL = 3

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_TCMSG = struct.Struct("=BxxxiIII")  # family, ifindex, handle, parent, info
_ATTRIBUTE = struct.Struct("=HH")
_NESTED_MASK = 0x3FFF
_RECEIVE_BYTES = 1 << 16
_DUMP_ATTEMPTS = 10


class NetlinkError(OSError):
    """The kernel's answer to a request, with its own words where it had some."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One traffic control filter as the kernel lists it; BPF details only for kind "bpf"."""

    kind: str
    direction: str
    handle: int
    priority: int
    protocol: int
    name: str | None = None
    program_id: int | None = None


class RouteSocket:
    """A route netlink socket of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -------------------------------------------------------------- requests
    def qdisc_kind(self, ifindex: int) -> str | None:
        """Which of "clsact" and "ingress" sits at the interface, if any."""
        request = _TCMSG.pack(0, ifindex, 0, 0, 0)
        for body in self._dump(RTM_GETQDISC, request):
            _, index, handle, _, _ = _TCMSG.unpack_from(body)
            # Not every kernel filters the dump by interface.
            if index == ifindex and handle == CLSACT_HANDLE:
                return _text(_attributes(body[_TCMSG.size :])[TCA_KIND])
        return None

    def create_clsact(self, ifindex: int) -> bool:
        """Make the qdisc; False when there is one."""
        body = _TCMSG.pack(0, ifindex, CLSACT_HANDLE, TC_H_CLSACT, 0)
        body += _attribute(TCA_KIND, b"clsact\0")
        try:
            self._change(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body)
        except NetlinkError as error:
            if error.errno == errno.EEXIST:
                return False
            raise
        return True

    def delete_clsact(self, ifindex: int) -> None:
        body = _TCMSG.pack(0, ifindex, CLSACT_HANDLE, TC_H_CLSACT, 0)
        self._change(RTM_DELQDISC, 0, body + _attribute(TCA_KIND, b"clsact\0"))

    def add_bpf_filter(
        self, ifindex: int, direction: str, *, handle: int, priority: int, name: str, fd: int
    ) -> None:
        """Add, never replace: EEXIST when the handle is taken."""
        options = _attribute(TCA_BPF_FD, struct.pack("=I", fd))
        options += _attribute(TCA_BPF_NAME, name.encode() + b"\0")
        options += _attribute(TCA_BPF_FLAGS, struct.pack("=I", TCA_BPF_FLAG_ACT_DIRECT))
        body = self._filter(ifindex, direction, handle, priority)
        body += _attribute(TCA_KIND, b"bpf\0") + _attribute(TCA_OPTIONS, options)
        self._change(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body)

    def delete_bpf_filter(
        self, ifindex: int, direction: str, *, handle: int, priority: int
    ) -> None:
        if not handle or not priority:
            # To the kernel, a zero is not a number but "all of them".
            raise ValueError("a filter is deleted by its handle and priority")
        body = self._filter(ifindex, direction, handle, priority)
        self._change(RTM_DELTFILTER, 0, body + _attribute(TCA_KIND, b"bpf\0"))

    def filters(self, ifindex: int, direction: str) -> list[Filter]:
        """The filters of one direction in the order in which they run."""
        request = _TCMSG.pack(0, ifindex, 0, PARENTS[direction], 0)
        found = []
        for body in self._dump(RTM_GETTFILTER, request):
            _, _, handle, _, info = _TCMSG.unpack_from(body)
            attributes = _attributes(body[_TCMSG.size :])
            kind = _text(attributes[TCA_KIND])
            name = program_id = None
            options = attributes.get(TCA_OPTIONS)
            if not handle or options is None:
                continue  # the entry of the priority itself, not of a filter
            if kind == "bpf":
                details = _attributes(options)
                if TCA_BPF_NAME in details:
                    name = _text(details[TCA_BPF_NAME])
                if TCA_BPF_ID in details:
                    (program_id,) = struct.unpack("=I", details[TCA_BPF_ID])
            protocol = socket.ntohs(info & 0xFFFF)
            found.append(Filter(kind, direction, handle, info >> 16, protocol, name, program_id))
        return found

    # -------------------------------------------------------------- messages
    @staticmethod
    def _filter(ifindex: int, direction: str, handle: int, priority: int) -> bytes:
        info = priority << 16 | socket.htons(ETH_P_ALL)
        return _TCMSG.pack(0, ifindex, handle, PARENTS[direction], info)

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        header = _HEADER.pack(
            _HEADER.size + len(body), kind, NLM_F_REQUEST | flags, self._sequence, 0
        )
        self._socket.send(header + body)

    def _change(self, kind: int, flags: int, body: bytes) -> None:
        self._send(kind, NLM_F_ACK | flags, body)
        for _ in self._replies():
            pass

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        bodies: list[bytes] = []
        for _ in range(_DUMP_ATTEMPTS):
            self._send(kind, NLM_F_DUMP, body)
            bodies = []
            interrupted = False
            for flags, reply in self._replies():
                interrupted |= bool(flags & NLM_F_DUMP_INTR)
                bodies.append(reply)
            if not interrupted:
                return bodies
        return bodies

    def _replies(self) -> Iterator[tuple[int, bytes]]:
        """Flags and body of each message up to the end of the answer."""
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            offset = 0
            while offset < len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
                body = data[offset + _HEADER.size : offset + length]
                offset += _align(length)
                if sequence != self._sequence:
                    continue  # of an answer that was not read to its end
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    _raise_for(body, flags)
                    return
                yield flags, body


def _raise_for(body: bytes, flags: int) -> None:
    (number,) = struct.unpack_from("=i", body)
    if number == 0:
        return
    words = os.strerror(-number)
    if flags & NLM_F_ACK_TLVS:
        said = _attributes(body[4 + _HEADER.size :]).get(NLMSGERR_ATTR_MSG)
        if said:
            words = f"{words}: {_text(said)}"
    raise NetlinkError(-number, words)


def _align(length: int) -> int:
    return (length + 3) & ~3


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(_align(length) - length)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _NESTED_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += _align(length)
    return found
