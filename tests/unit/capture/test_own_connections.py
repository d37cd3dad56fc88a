# SPDX-License-Identifier: Apache-2.0
"""Own connections are in the map in both orders, closed ones for a grace period yet."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

from pybpf import Map, PybpfError
from streamer.capture.own_connections import OwnConnections

IPV4 = ("10.0.0.1", 40000, "10.0.0.2", 9092)
IPV6 = ("2001:db8::1", 40001, "2001:db8::2", 9093)


class FakeMap:
    """As much of a map as is used."""

    def __init__(self, room: int = 1024) -> None:
        self.content: dict[bytes, bytes] = {}
        self.room = room

    def set(self, key: bytes, value: bytes) -> None:
        if len(self.content) >= self.room:
            raise PybpfError("full")
        self.content[key] = value

    def delete(self, key: bytes) -> bool:
        return self.content.pop(key, None) is not None


def make(fake: FakeMap, grace_s: float) -> OwnConnections:
    return OwnConnections(cast("Map", fake), grace_s)


def ipv4_key(source: str, source_port: int, target: str, target_port: int) -> bytes:
    def mapped(text: str) -> bytes:
        return socket.inet_pton(socket.AF_INET6, f"::ffff:{text}")

    return mapped(source) + mapped(target) + struct.pack("=HH", source_port, target_port)


async def test_both_orders_are_set() -> None:
    fake = FakeMap()
    make(fake, 0.01).set([IPV4])
    assert set(fake.content) == {
        ipv4_key("10.0.0.1", 40000, "10.0.0.2", 9092),
        ipv4_key("10.0.0.2", 9092, "10.0.0.1", 40000),
    }


async def test_ipv6_scope_and_mapped_addresses() -> None:
    plain, scoped, mapped, ipv4 = (FakeMap() for _ in range(4))
    make(plain, 1).set([("fe80::1", 1, "fe80::2", 2)])
    make(scoped, 1).set([("fe80::1%eth0", 1, "fe80::2%eth0", 2)])
    assert plain.content == scoped.content
    make(mapped, 1).set([("::ffff:10.0.0.1", 1, "::ffff:10.0.0.2", 2)])
    make(ipv4, 1).set([("10.0.0.1", 1, "10.0.0.2", 2)])
    assert mapped.content == ipv4.content


async def test_closed_connections_leave_after_the_grace_period() -> None:
    fake = FakeMap()
    own = make(fake, 0.02)
    own.set([IPV4, IPV6])
    own.set([IPV6])
    assert len(fake.content) == 4
    async with asyncio.timeout(5):
        while len(fake.content) > 2:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)


async def test_a_connection_that_comes_back_stays() -> None:
    fake = FakeMap()
    own = make(fake, 0.02)
    own.set([IPV4])
    own.set([])
    own.set([IPV4])
    gone = asyncio.get_running_loop().time() + 0.1
    while asyncio.get_running_loop().time() < gone:
        assert len(fake.content) == 2
        await asyncio.sleep(0.005)


async def test_a_full_map_is_survived() -> None:
    fake = FakeMap(room=1)
    own = make(fake, 1)
    own.set([IPV4])
    assert len(fake.content) == 1
    own.close()
