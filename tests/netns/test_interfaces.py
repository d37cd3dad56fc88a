# SPDX-License-Identifier: Apache-2.0
"""Interfaces that come, go and change their names while a capture runs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from streamer.capture import netlink
from streamer.capture.capture import Capture
from streamer.capture.interfaces import Interface, InterfaceMonitor
from streamer.config import CaptureSettings
from streamer.errors import UsageError
from tests.support import traffic
from tests.support.capturing import Running, capturing
from tests.support.netns import Namespace, VethPair, namespaces, plug, require_namespaces
from tests.support.packet_event import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

TC_MODES = [{"tc_attach": "tcx"}, {"tc_attach": "clsact"}]
MODES: list[dict[str, Any]] = [
    *TC_MODES,
    {"hook": "xdp", "xdp_mode": "generic"},
    {"hook": "socket"},
]
IDS = ["tcx", "clsact", "xdp", "socket"]
modes = pytest.mark.parametrize("settings", MODES, ids=IDS)


@pytest.fixture
def ends() -> Iterator[tuple[Namespace, Namespace]]:
    require_namespaces()
    with namespaces("near", "far") as (near, far):
        yield near, far


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Let the loop work until the condition holds."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        await asyncio.sleep(0.005)


def attached(running: Running) -> list[str]:
    return sorted(attachment.interface for attachment in running.capture.attached)


def send(pair: VethPair, count: int) -> None:
    """Send from the far end."""
    with traffic.udp_pair(pair) as (_, far):
        for _ in range(count):
            far.send(b"x")


@modes
async def test_interfaces_join_and_leave(
    ends: tuple[Namespace, Namespace], settings: dict[str, Any]
) -> None:
    near, far = ends
    first = plug(near, far, "wan0", 1)
    async with capturing(near.path, "wan*", "lan[0-9]", **settings) as running:
        assert attached(running) == ["wan0"]
        send(first, 3)
        second = plug(near, far, "lan1", 2)
        plug(near, far, "dmz0", 3)
        await eventually(lambda: "lan1" in attached(running), "lan1 to join")
        assert attached(running) == ["lan1", "wan0"]
        send(second, 4)
        indexes = {near.index("wan0"): 3, near.index("lan1"): 4}
        near.ip("link del wan0")
        await eventually(lambda: attached(running) == ["lan1"], "wan0 to leave")
        send(second, 5)
        again = plug(near, far, "wan0", 4)
        await eventually(lambda: attached(running) == ["lan1", "wan0"], "wan0 to come back")
        send(again, 6)
        indexes[near.index("lan1")] += 5
        indexes[near.index("wan0")] = indexes.get(near.index("wan0"), 0) + 6
        total = await running.finish()
    seen: dict[int, int] = {}
    for record in running.records:
        event = decode(record)
        if event.fields.destination_port == 5001:
            seen[event.ifindex] = seen.get(event.ifindex, 0) + 1
    assert seen == indexes
    assert total.seen == total.emitted == len(running.records)
    # Each name was told before its first packet.
    assert {index for index, _ in running.names} == set(indexes)


async def test_a_new_name_is_told_and_the_capture_goes_on(
    ends: tuple[Namespace, Namespace],
) -> None:
    near, far = ends
    pair = plug(near, far, "eth7", 1)
    async with capturing(near.path, "eth*") as running:
        index = near.index("eth7")
        near.ip("link set eth7 name uplink")
        await eventually(lambda: attached(running) == ["uplink"], "the new name")
        assert running.names == [(index, "eth7"), (index, "uplink")]
        send(pair, 3)
        assert (await running.finish()).seen == 3


async def test_a_name_that_matches_later_joins(ends: tuple[Namespace, Namespace]) -> None:
    near, far = ends
    pair = plug(near, far, "raw0", 1)
    async with capturing(near.path, "nice*") as running:
        assert attached(running) == []
        near.ip("link set raw0 name nice0")
        await eventually(lambda: attached(running) == ["nice0"], "the renamed one")
        send(pair, 3)
        assert (await running.finish()).seen == 3


async def test_a_named_interface_that_comes_back_joins_again(
    ends: tuple[Namespace, Namespace],
) -> None:
    near, far = ends
    plug(near, far, "eth7", 1)
    async with capturing(near.path, "eth7") as running:
        near.ip("link del eth7")
        await eventually(lambda: attached(running) == [], "it to leave")
        pair = plug(near, far, "eth7", 2)
        await eventually(lambda: attached(running) == ["eth7"], "it to come back")
        send(pair, 2)
        assert (await running.finish()).seen == 2


async def test_ports_of_a_bridge_come_and_go(ends: tuple[Namespace, Namespace]) -> None:
    """Leaving a bridge is announced like a deletion, and is none."""
    near, far = ends
    pair = plug(near, far, "port0", 1)
    near.ip("link add br0 type bridge")
    async with capturing(near.path, "port0") as running:
        near.ip("link set port0 master br0")
        near.ip("link set port0 nomaster")
        plug(near, far, "other0", 2)  # news in order: when this is known, so is all before
        monitor = running.capture._monitor
        await eventually(
            lambda: any(i.name == "other0" for i in monitor.interfaces.values()), "the news"
        )
        assert attached(running) == ["port0"]
        near.ip(f"neigh replace {pair.far_ip} lladdr {pair.far_mac} dev port0")
        seen = running.total().seen
        send(pair, 2)
        assert (await running.finish()).seen == seen + 2


async def test_many_at_once(
    ends: tuple[Namespace, Namespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More news than the socket holds: the list is read again."""
    monkeypatch.setattr(netlink, "_NEWS_BUFFER_BYTES", 1)  # the least the kernel gives
    overflows: list[bool] = []
    compare = InterfaceMonitor._compare

    def count(self: InterfaceMonitor, now: dict[int, Interface]) -> None:
        overflows.append(True)
        compare(self, now)

    monkeypatch.setattr(InterfaceMonitor, "_compare", count)
    near, _ = ends
    async with capturing(near.path, "m*") as running:
        batch = "".join(f"link add m{i} type veth peer name n{i}\n" for i in range(50))
        batch += "".join(f"link set m{i} up\nlink set m{i} down\n" for i in range(50)) * 4
        (tmp_path / "batch").write_text(batch, encoding="ascii")
        near.ip(f"-batch {tmp_path / 'batch'}")
        await eventually(lambda: len(attached(running)) == 50, "all to join")
        near.ip("link set m7 name k7")
        await eventually(lambda: "k7" in attached(running), "the name")
    assert overflows


def test_uvloop_follows_too(ends: tuple[Namespace, Namespace]) -> None:
    near, far = ends

    async def follow() -> None:
        async with capturing(near.path, "wan*") as running:
            plug(near, far, "wan0", 1)
            await eventually(lambda: attached(running) == ["wan0"], "wan0 to join")

    uvloop.run(follow())


def test_an_unknown_name_is_refused_with_the_list(ends: tuple[Namespace, Namespace]) -> None:
    near, far = ends
    plug(near, far, "wan0", 1)
    capture = Capture(CaptureSettings(interfaces=("wan1",), netns=near.path))
    with pytest.raises(UsageError, match="no interface wan1") as caught:
        capture.open()
    assert caught.value.hint is not None
    assert "lo, wan0" in caught.value.hint


async def test_the_namespace_may_lose_its_name(
    ends: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    near, far = ends
    pair = plug(near, far, "wan0", 1)
    name = tmp_path / "namespace"
    name.symlink_to(near.path)
    async with capturing(name, "wan*", tc_attach="clsact") as running:
        name.unlink()
        send(pair, 1)
        assert (await running.finish()).seen == 1
    assert "clsact" not in near.run("tc", "qdisc", "show", "dev", "wan0")
