# SPDX-License-Identifier: Apache-2.0
"""The kernel's list of links and its news of them, over two netlink sockets.

The messages are decoded by pyroute2; the sockets are plain ones, made where the caller stands and
read by whatever loop runs, uvloop included.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_NETLINK_ROUTE = 0
_GROUP_LINK = 1
NEW_LINK, DELETED_LINK, _GET_LINK = 16, 17, 18  # RTM_*
_ERROR, _DONE = 2, 3  # NLMSG_*
_REQUEST_DUMP = 0x001 | 0x300  # NLM_F_REQUEST | NLM_F_DUMP
_DUMP_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: the list changed while it was read
_HEADER = struct.Struct("=IHHII")
_RECEIVE_BYTES = 1 << 16
_NEWS_BUFFER_BYTES = 1 << 20
_DUMP_ATTEMPTS = 5
_DUMP_TIMEOUT_S = 5.0


class LinkSockets:
    """Opened by its constructor, in the network namespace of the calling thread."""

    def __init__(self) -> None:
        # Imported late: it takes a quarter of a second, and most commands need no interfaces.
        from pyroute2.netlink.rtnl.marshal import MarshalRtnl  # noqa: PLC0415

        self._marshal: Any = MarshalRtnl()
        with ExitStack() as opened:
            self._news = opened.enter_context(_netlink_socket(_GROUP_LINK))
            self._news.setblocking(False)
            self._news.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NEWS_BUFFER_BYTES)
            self._requests = opened.enter_context(_netlink_socket(0))
            self._requests.settimeout(_DUMP_TIMEOUT_S)
            self._close = opened.pop_all().close

    def close(self) -> None:
        """Close both sockets; may be called twice."""
        self._close()

    def fileno(self) -> int:
        """Descriptor that is readable when there is news."""
        return self._news.fileno()

    def news(self) -> Iterator[tuple[int, Any]]:
        """Give what has happened since the last call: message type and link.

        Raises an OSError with ENOBUFS when the kernel had to drop news: list again.
        """
        while True:
            try:
                data = self._news.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return
            yield from self._links(data)

    def links(self) -> list[Any]:
        """All links there are now."""
        found: list[Any] = []
        for attempt in range(1, _DUMP_ATTEMPTS + 1):
            body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
            length = _HEADER.size + len(body)
            header = _HEADER.pack(length, _GET_LINK, _REQUEST_DUMP, attempt, 0)
            self._requests.sendto(header + body, (0, 0))
            found, interrupted = self._answer(attempt)
            if not interrupted:
                break
        return found

    def _answer(self, sequence: int) -> tuple[list[Any], bool]:
        found: list[Any] = []
        interrupted = False
        while True:
            data = self._requests.recv(_RECEIVE_BYTES)
            for message_type, flags, number, payload in _messages(data):
                if number != sequence:
                    continue
                interrupted |= bool(flags & _DUMP_INTERRUPTED)
                if message_type == _DONE:
                    return found, interrupted
                if message_type == _ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    raise OSError(code, os.strerror(code))
            found += [link for message_type, link in self._links(data) if message_type == NEW_LINK]

    def _links(self, data: bytes) -> Iterator[tuple[int, Any]]:
        for message in self._marshal.parse(data):
            message_type = message["header"]["type"]
            # A port that leaves a bridge is announced as a deleted link of the bridge family.
            if message_type in (NEW_LINK, DELETED_LINK) and message["family"] == socket.AF_UNSPEC:
                yield message_type, message


def news_were_dropped(error: OSError) -> bool:
    """Tell whether the news socket overflowed."""
    return error.errno == errno.ENOBUFS


def _netlink_socket(groups: int) -> socket.socket:
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
    try:
        one.bind((0, groups))
    except OSError:
        one.close()
        raise
    return one


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, message_type, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield message_type, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3
