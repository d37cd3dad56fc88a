# SPDX-License-Identifier: Apache-2.0
"""streamer's own connections, told to the kernel programs so that they leave them out."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from typing import TYPE_CHECKING

from pybpf import PybpfError
from streamer.observe.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybpf import Map

# Local address and port, remote address and port.
Connection = tuple[str, int, str, int]

# Longer than the FIN, its answer and their usual repetitions take.
GRACE_S = 10.0

_KEY = struct.Struct("=16s16sHH")  # struct endpoints
_PRESENT = b"\x01"
_log = get_logger("streamer.capture")


class OwnConnections:
    """The map's content: every open connection in both directions, closed ones for a while yet."""

    def __init__(self, connections: Map, grace_s: float = GRACE_S) -> None:
        self._map = connections
        self._grace_s = grace_s
        self._open: frozenset[Connection] = frozenset()
        self._leaving: dict[Connection, asyncio.TimerHandle] = {}

    def set(self, connections: Iterable[Connection]) -> None:
        """Leave out exactly these from now on; call it in the loop's thread."""
        wanted = frozenset((c[0], c[1], c[2], c[3]) for c in connections)
        for connection in wanted - self._open:
            timer = self._leaving.pop(connection, None)
            if timer is not None:
                timer.cancel()
            self._add(connection)
        loop = asyncio.get_running_loop()
        for connection in self._open - wanted:
            # The kernel still ends the connection: its last packets are ours, too.
            self._leaving[connection] = loop.call_later(self._grace_s, self._remove, connection)
        self._open = wanted

    def close(self) -> None:
        """Forget the timers; the map goes with the programs."""
        for timer in self._leaving.values():
            timer.cancel()
        self._leaving.clear()

    def _add(self, connection: Connection) -> None:
        for key in _keys(connection):
            try:
                self._map.set(key, _PRESENT)
            except PybpfError as error:  # full: the packets are captured, nothing is lost
                _log.warning(
                    "an own connection cannot be excluded", remote=connection[2], error=str(error)
                )
                return

    def _remove(self, connection: Connection) -> None:
        del self._leaving[connection]
        for key in _keys(connection):
            self._map.delete(key)


def _keys(connection: Connection) -> tuple[bytes, bytes]:
    local_ip, local_port, remote_ip, remote_port = connection
    local, remote = _packed(local_ip), _packed(remote_ip)
    return (
        _KEY.pack(local, remote, local_port, remote_port),
        _KEY.pack(remote, local, remote_port, local_port),
    )


def _packed(address: str) -> bytes:
    """Sixteen bytes, IPv4 mapped into IPv6, as the programs write them."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 4:
        return bytes(10) + b"\xff\xff" + parsed.packed
    return parsed.packed
