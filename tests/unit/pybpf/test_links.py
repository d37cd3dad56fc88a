# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import gc
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

import pybpf
from tests.support.bpf_objects import runs
from tests.support.wire import Wire, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]

XDP, TC_INGRESS, TC_EGRESS, SOCKET = range(4)
COUNT = 300
ATTACHERS: dict[str, Callable[[pybpf.Object, int], pybpf.Link]] = {
    "xdp": lambda kit, ifindex: pybpf.attach_xdp(kit.programs["at_xdp"], ifindex),
    "tcx": lambda kit, ifindex: pybpf.attach_tcx(kit.programs["at_tc_ingress"], ifindex, "ingress"),
    "clsact": lambda kit, ifindex: pybpf.attach_clsact(
        kit.programs["at_tc_ingress"], ifindex, "ingress"
    ),
    "socket": lambda kit, ifindex: pybpf.attach_socket_filter(kit.programs["at_socket"], ifindex),
}
every_kind = pytest.mark.parametrize("kind", list(ATTACHERS))


def test_tcx_sees_each_packet_once_and_none_after_detach(wire: Wire, kit: pybpf.Object) -> None:
    ingress = pybpf.attach_tcx(kit.programs["at_tc_ingress"], wire.left, "ingress")
    egress = pybpf.attach_tcx(kit.programs["at_tc_egress"], wire.left, "egress")
    assert (ingress.kind, ingress.ifindex, ingress.direction) == ("tcx", wire.left, "ingress")
    with ingress, egress:
        wire.send("right", COUNT)
        wire.send("left", COUNT + 1)
        wait_until(lambda: runs(kit, TC_INGRESS) >= COUNT and runs(kit, TC_EGRESS) > COUNT)
    pybpf.wait_for_running_programs()
    wire.send("right", COUNT)
    wire.send("left", COUNT)
    assert (runs(kit, TC_INGRESS), runs(kit, TC_EGRESS)) == (COUNT, COUNT + 1)


def test_tcx_programs_stand_side_by_side_in_the_order_asked_for(
    wire: Wire, kit: pybpf.Object
) -> None:
    one, two, three = (kit.programs[n] for n in ("at_tc_ingress", "sets_mark", "at_tc_egress"))
    with (
        pybpf.attach_tcx(one, wire.left, "ingress"),
        pybpf.attach_tcx(two, wire.left, "ingress"),
        pybpf.attach_tcx(three, wire.left, "ingress", first=True),
    ):
        found = pybpf.query_attached(wire.left)
        assert [entry.program_id for entry in found] == [p.info().id for p in (three, one, two)]
        assert {(entry.hook, entry.direction) for entry in found} == {("tcx", "ingress")}
        assert [entry.name for entry in found] == ["at_tc_egress", "at_tc_ingress", "sets_mark"]
    assert pybpf.query_attached(wire.left) == []


@pytest.mark.parametrize("mode", ["generic", "native", "auto"])
def test_xdp(wire: Wire, kit: pybpf.Object, mode: Literal["generic", "native", "auto"]) -> None:
    runs_as = "generic" if mode == "generic" else "native"
    program = kit.programs["at_xdp"]
    assert pybpf.xdp_mode(wire.left) is None
    with pybpf.attach_xdp(program, wire.left, mode) as link:
        assert (link.kind, link.direction) == ("xdp", "ingress")
        assert pybpf.xdp_mode(wire.left) == runs_as
        (found,) = pybpf.query_attached(wire.left)
        assert (found.hook, found.detail, found.name) == ("xdp", runs_as, "at_xdp")
        wire.send("right", COUNT)
        wait_until(lambda: runs(kit, XDP) >= COUNT)
    assert runs(kit, XDP) == COUNT
    assert pybpf.xdp_mode(wire.left) is None


def test_xdp_where_there_is_one_already(wire: Wire, kit: pybpf.Object) -> None:
    with pybpf.attach_xdp(kit.programs["returns_answer"], wire.left):
        modes: tuple[Literal["auto", "native", "generic"], ...] = ("auto", "native", "generic")
        for mode in modes:
            with pytest.raises(pybpf.HookBusy, match=r"left .*another XDP program") as caught:
                pybpf.attach_xdp(kit.programs["at_xdp"], wire.left, mode)
            assert caught.value.errno in (errno.EBUSY, errno.EEXIST)
            assert caught.value.ifindex == wire.left
        assert [entry.name for entry in pybpf.query_attached(wire.left)] == ["returns_answer"]


def test_native_xdp_that_the_driver_refuses(wire: Wire, kit: pybpf.Object) -> None:
    """veth refuses jumbo frames, loopback has no native XDP at all."""
    program = kit.programs["at_xdp"]
    wire.tool("ip link set left mtu 9000")
    wire.tool("ip link set right mtu 9000")
    loopback = socket.if_nametoindex("lo")
    for ifindex in (wire.left, loopback):
        with pytest.raises(pybpf.AttachError) as caught:
            pybpf.attach_xdp(program, ifindex, "native")
        assert caught.value.hint is not None
        assert "generic" in caught.value.hint
        with pybpf.attach_xdp(program, ifindex, "auto"):
            assert pybpf.xdp_mode(ifindex) == "generic"


def test_socket_filter_counts_both_directions(wire: Wire, kit: pybpf.Object) -> None:
    with pybpf.attach_socket_filter(kit.programs["at_socket"], wire.left) as link:
        assert (link.kind, link.direction) == ("socket", None)
        wire.send("right", COUNT)
        wire.send("left", COUNT)
        wait_until(lambda: runs(kit, SOCKET) >= 2 * COUNT)
    wire.send("right", COUNT)
    assert runs(kit, SOCKET) == 2 * COUNT


def test_no_packet_gets_past_a_socket_filter(wire: Wire, kit: pybpf.Object) -> None:
    """A socket that were open before its filter is attached would queue some of these."""
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            wire.send("left", 50)

    sender = threading.Thread(target=flood)
    sender.start()
    try:
        for _ in range(100):
            before = runs(kit, SOCKET)
            with (
                pybpf.attach_socket_filter(kit.programs["at_socket"], wire.left) as link,
                socket.socket(fileno=os.dup(link.fileno())) as queue,
            ):
                wait_until(lambda before=before: runs(kit, SOCKET) > before)  # type: ignore[misc]
                queue.setblocking(False)
                with pytest.raises(BlockingIOError):
                    queue.recv(2048)
    finally:
        stop.set()
        sender.join()


@every_kind
def test_an_interface_that_is_not_there(wire: Wire, kit: pybpf.Object, kind: str) -> None:
    for ifindex in (0, 4711, -1):
        with pytest.raises(pybpf.PybpfError) as caught:
            ATTACHERS[kind](kit, ifindex)
        if ifindex > 0:
            assert isinstance(caught.value, pybpf.NoSuchInterface)
            assert "4711" in str(caught.value)
    assert pybpf.query_attached(wire.left) == []


def test_a_program_of_the_wrong_type(wire: Wire, kit: pybpf.Object) -> None:
    xdp, tc = kit.programs["at_xdp"], kit.programs["at_tc_ingress"]
    attempts: list[Callable[[], pybpf.Link]] = [
        lambda: pybpf.attach_xdp(tc, wire.left),
        lambda: pybpf.attach_tcx(xdp, wire.left, "ingress"),
        lambda: pybpf.attach_clsact(xdp, wire.left, "ingress"),
        lambda: pybpf.attach_socket_filter(xdp, wire.left),
    ]
    for attach in attempts:
        with pytest.raises(pybpf.ProgramTypeError, match="of type"):
            attach()


def test_modes_and_directions_that_do_not_exist(wire: Wire, kit: pybpf.Object) -> None:
    tc = kit.programs["at_tc_ingress"]
    attempts: list[Callable[[], pybpf.Link]] = [
        lambda: pybpf.attach_xdp(kit.programs["at_xdp"], wire.left, "fast"),  # type: ignore[arg-type]
        lambda: pybpf.attach_tcx(tc, wire.left, "up"),  # type: ignore[arg-type]
        lambda: pybpf.attach_clsact(tc, wire.left, "up"),  # type: ignore[arg-type]
    ]
    for attach in attempts:
        with pytest.raises(ValueError, match="must be"):
            attach()


@every_kind
def test_closing_twice(wire: Wire, kit: pybpf.Object, kind: str) -> None:
    link = ATTACHERS[kind](kit, wire.left)
    assert not link.closed
    assert link.fileno() >= 0
    link.close()
    link.detach()
    link.close()
    assert link.closed
    with pytest.raises(pybpf.ObjectClosed):
        link.fileno()
    with pytest.raises(pybpf.ObjectClosed):
        link.__enter__()
    # The place is free again.
    ATTACHERS[kind](kit, wire.left).close()


@every_kind
def test_a_link_outlives_its_object(wire: Wire, kit: pybpf.Object, kind: str) -> None:
    link = ATTACHERS[kind](kit, wire.left)
    kit.close()
    if kind != "socket":
        assert len(pybpf.query_attached(wire.left)) == 1
    link.close()
    assert pybpf.query_attached(wire.left) == []


@every_kind
def test_the_interface_goes_first(wire: Wire, kit: pybpf.Object, kind: str) -> None:
    link = ATTACHERS[kind](kit, wire.left)
    wire.tool("ip link del left")
    link.close()
    assert link.closed


@every_kind
def test_a_forgotten_link_detaches_and_says_so(wire: Wire, kit: pybpf.Object, kind: str) -> None:
    link = ATTACHERS[kind](kit, wire.left)
    with pytest.warns(ResourceWarning, match=f"unclosed <Link {kind}"):  # noqa: PT031
        del link
        gc.collect()
    assert pybpf.query_attached(wire.left) == []


def test_descriptors_of_links_are_not_inherited(wire: Wire, kit: pybpf.Object) -> None:
    for attach in ATTACHERS.values():
        with attach(kit, wire.left) as link:
            assert not os.get_inheritable(link.fileno())
    assert not os.get_inheritable(kit.programs["at_xdp"].fd)
    with pybpf.RingBuffer(kit.maps["ring"]) as ring, pybpf.RunStatistics():
        assert not os.get_inheritable(ring.fileno())
