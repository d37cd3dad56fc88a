# SPDX-License-Identifier: Apache-2.0
"""Beside other programs, after a killed process, and beside ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybpf import Object, attach_clsact, attach_tcx, attach_xdp
from streamer.errors import CaptureError
from tests.support import traffic
from tests.support.capture_process import answer, capture_process
from tests.support.capturing import capturing, wait_until
from tests.support.packet_event import decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.netns import VethPair

pytestmark = pytest.mark.root

COUNT = """
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} counted SEC(".maps");

static int count(int verdict)
{
    __u32 key = 0;
    __u64 *value = bpf_map_lookup_elem(&counted, &key);

    if (value)
        __sync_fetch_and_add(value, 1);
    return verdict;
}

SEC("tc") int other_tc(struct __sk_buff *skb) { return count(-1); }
SEC("xdp") int other_xdp(struct xdp_md *xdp) { return count(XDP_PASS); }
"""


@pytest.fixture
def other(compile_bpf: Callable[[str, str], Path]) -> Path:
    return compile_bpf("other", COUNT)


def counted(loaded: Object) -> int:
    value = loaded.maps["counted"].get(bytes(4))
    assert value is not None
    return int.from_bytes(value, "little")


def send(veth: VethPair, count: int) -> None:
    """Send from the far end."""
    with traffic.udp_pair(veth) as (_, far):
        for _ in range(count):
            far.send(b"x")


@pytest.mark.parametrize("theirs", ["tcx", "clsact"])
@pytest.mark.parametrize("ours", ["tcx", "clsact"])
@pytest.mark.parametrize("first", [False, True])
async def test_tc_is_shared(
    veth: VethPair, other: Path, theirs: str, ours: str, first: bool
) -> None:
    """Whoever comes first, both see every packet, and ours leaves theirs in place."""
    attach_theirs = attach_tcx if theirs == "tcx" else attach_clsact
    ifindex = veth.near.index("veth0")
    with Object.open(other) as loaded:
        loaded.programs["other_xdp"].set_autoload(False)
        loaded.load()
        program = loaded.programs["other_tc"]
        link = None
        if first:
            with veth.near.entered():
                link = attach_theirs(program, ifindex, "ingress")
        async with capturing(veth.near.path, "veth0", tc_attach=ours) as running:
            if link is None:
                with veth.near.entered():
                    link = attach_theirs(program, ifindex, "ingress")
            send(veth, 6)
            assert (await running.finish()).seen == 6
        send(veth, 4)
        assert counted(loaded) == 10
        link.close()
    assert "clsact" not in veth.near.run("tc", "qdisc", "show", "dev", "veth0")


@pytest.mark.parametrize("mode", ["native", "generic"])
async def test_anothers_xdp_program_is_left_alone(veth: VethPair, other: Path, mode: str) -> None:
    with Object.open(other) as loaded:
        loaded.programs["other_tc"].set_autoload(False)
        loaded.load()
        with veth.near.entered():
            ifindex = veth.near.index("veth0")
            link = attach_xdp(loaded.programs["other_xdp"], ifindex, "native")
        with link:
            with pytest.raises(CaptureError, match="another XDP program") as caught:
                async with capturing(veth.near.path, "veth0", hook="xdp", xdp_mode=mode):
                    pass
            assert caught.value.hint is not None
            send(veth, 5)
            assert counted(loaded) == 5


async def test_two_captures_side_by_side(veth: VethPair) -> None:
    async with (
        capturing(veth.near.path, "veth0", tc_attach="tcx") as one,
        capturing(veth.near.path, "veth0", tc_attach="clsact") as two,
        capturing(veth.near.path, "veth0", tc_attach="clsact") as three,
        capturing(veth.near.path, "veth0", hook="xdp", xdp_mode="generic") as four,
        capturing(veth.near.path, "veth0", hook="socket") as five,
    ):
        send(veth, 8)
        for running in (one, two, three, four, five):
            assert (await running.finish()).seen == 8


async def test_a_packet_on_two_interfaces_is_two_events(veth: VethPair) -> None:
    """Told apart by the interface: here the loopback device and the cable."""
    async with capturing(veth.near.path, "veth*", "lo", direction="ingress") as running:
        send(veth, 3)
        veth.near.run("ping", "-q", "-c", "1", "127.0.0.1")
        await running.finish()
    by_interface: dict[int, int] = {}
    for record in running.records:
        ifindex = decode(record).ifindex
        by_interface[ifindex] = by_interface.get(ifindex, 0) + 1
    assert by_interface == {veth.near.index("veth0"): 3, veth.near.index("lo"): 2}


@pytest.mark.parametrize("tc_attach", ["tcx", "clsact"])
async def test_after_a_killed_process(veth: VethPair, tc_attach: str) -> None:
    """Links go with it; its filters are swept by the next capture."""
    settings = {"interfaces": ["veth0"], "tc_attach": tc_attach}
    with capture_process(veth.near, **settings) as process:
        assert isinstance(answer(process), list)
        process.kill()
        process.wait()
    leftovers = veth.near.run("tc", "filter", "show", "dev", "veth0", "ingress")
    assert ("tc_ingress" in leftovers) == (tc_attach == "clsact")
    async with capturing(veth.near.path, "veth0", tc_attach="clsact") as running:
        filters = veth.near.run("tc", "filter", "show", "dev", "veth0", "ingress")
        assert filters.count("tc_ingress:") == 1
        send(veth, 4)
        assert (await running.finish()).seen == 4
    assert "clsact" not in veth.near.run("tc", "qdisc", "show", "dev", "veth0")


@pytest.mark.parametrize("settings", [{}, {"hook": "socket"}, {"tc_attach": "clsact"}])
async def test_own_connections_are_left_out(veth: VethPair, settings: dict[str, str]) -> None:
    """Both directions, until the last acknowledgement; another connection is not touched."""
    async with capturing(veth.near.path, "veth0", **settings) as running:
        with traffic.tcp_connection(veth.near, veth.far, veth.far_ip) as (client, server):
            handshake = 3
            own = (*client.getsockname(), *client.getpeername())
            wait_until(lambda: running.total().seen == handshake, "the handshake")
            running.capture.set_own_connections([own])
            traffic.upload(client, server, 100_000)
            traffic.upload(server, client, 100_000)
        running.capture.set_own_connections([])
        traffic.exchange_tcp(veth, 5_000)
        total = await running.finish()
    events = [decode(record) for record in running.records]
    port = own[1]
    ours = [
        event
        for event in events
        if port in (event.fields.source_port, event.fields.destination_port)
    ]
    assert len(ours) == handshake
    assert total.filtered_self > 100
    assert total.seen == total.filtered_self + total.emitted
    assert total.emitted == len(events) > handshake + 8
