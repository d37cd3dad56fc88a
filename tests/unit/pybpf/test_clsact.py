# SPDX-License-Identifier: Apache-2.0
"""Manners at the clsact qdisc: what is not ours stays as it was."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import pybpf
from tests.support.bpf_objects import runs
from tests.support.wire import Wire, inside, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]

TC_INGRESS, TC_EGRESS = 1, 2
COUNT = 300
FOREIGN = "tc filter add dev left ingress prio {} protocol all u32 match u32 0 0"


def qdiscs(wire: Wire) -> str:
    lines = wire.tool("tc qdisc show dev left").splitlines()
    return " ".join(line.split()[1] for line in lines if "ffff:" in line)


def attach(kit: pybpf.Object, wire: Wire, direction: str = "ingress") -> pybpf.ClsactLink:
    program = kit.programs[f"at_tc_{direction}"]
    return pybpf.attach_clsact(program, wire.left, direction)  # type: ignore[arg-type]


def test_each_packet_is_seen_once_and_none_after_detach(wire: Wire, kit: pybpf.Object) -> None:
    with attach(kit, wire), attach(kit, wire, "egress"):
        wire.send("right", COUNT)
        wire.send("left", COUNT + 1)
        wait_until(lambda: runs(kit, TC_INGRESS) >= COUNT and runs(kit, TC_EGRESS) > COUNT)
    pybpf.wait_for_running_programs()
    wire.send("right", COUNT)
    wire.send("left", COUNT)
    assert (runs(kit, TC_INGRESS), runs(kit, TC_EGRESS)) == (COUNT, COUNT + 1)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_last_link_removes_the_qdisc_that_we_made(
    wire: Wire, kit: pybpf.Object, order: tuple[int, ...]
) -> None:
    links = [attach(kit, wire), attach(kit, wire, "egress"), attach(kit, wire)]
    for index in order:
        assert qdiscs(wire) == "clsact"
        links[index].close()
    assert qdiscs(wire) == ""


def test_a_qdisc_that_was_there_stays(wire: Wire, kit: pybpf.Object) -> None:
    wire.tool("tc qdisc add dev left clsact")
    with attach(kit, wire), attach(kit, wire, "egress"):
        pass
    assert qdiscs(wire) == "clsact"


def test_our_qdisc_stays_for_somebody_else_s_filter(wire: Wire, kit: pybpf.Object) -> None:
    with attach(kit, wire):
        wire.tool(FOREIGN.format(7))
    assert qdiscs(wire) == "clsact"
    shown = wire.tool("tc filter show dev left ingress")
    assert "u32" in shown
    assert "bpf" not in shown


def test_filters_of_others_are_not_touched_and_come_after_ours(
    wire: Wire, kit: pybpf.Object, kit_path: Path
) -> None:
    wire.tool("tc qdisc add dev left clsact")
    foreign = f"tc filter add dev left ingress prio 9 bpf da obj {kit_path} sec tc"
    wire.tool(foreign)
    before = wire.tool("tc filter show dev left ingress")
    with attach(kit, wire) as link:
        assert link.priority < 9
        first, second = pybpf.query_attached(wire.left)
        assert first.name == "at_tc_ingress"
        assert first.program_id == kit.programs["at_tc_ingress"].info().id
        assert second.program_id != first.program_id
    assert wire.tool("tc filter show dev left ingress") == before


def test_priority_one_taken_by_a_bpf_filter_is_shared(
    wire: Wire, kit: pybpf.Object, kit_path: Path
) -> None:
    wire.tool("tc qdisc add dev left clsact")
    wire.tool(f"tc filter add dev left ingress prio 1 protocol all bpf da obj {kit_path} sec tc")
    before = wire.tool("tc filter show dev left ingress")
    with attach(kit, wire) as link:
        assert link.priority == 1
        assert pybpf.query_attached(wire.left)[0].name == "at_tc_ingress"
    assert wire.tool("tc filter show dev left ingress") == before


def test_priority_one_taken_by_another_kind(wire: Wire, kit: pybpf.Object) -> None:
    wire.tool("tc qdisc add dev left clsact")
    wire.tool(FOREIGN.format(1))
    before = wire.tool("tc filter show dev left ingress")
    with attach(kit, wire) as link:
        assert link.priority == 2
    assert wire.tool("tc filter show dev left ingress") == before


def test_a_chosen_place_that_is_taken(wire: Wire, kit: pybpf.Object) -> None:
    program = kit.programs["at_tc_ingress"]
    with pybpf.attach_clsact(program, wire.left, "ingress", handle=5, priority=6) as link:
        assert (link.handle, link.priority) == (5, 6)
        with pytest.raises(pybpf.HookBusy, match="left"):
            pybpf.attach_clsact(program, wire.left, "ingress", handle=5, priority=6)
        assert len(pybpf.query_attached(wire.left)) == 1
    for wrong in ({"handle": 0}, {"handle": 1 << 31}, {"priority": 0}, {"priority": 1 << 16}):
        with pytest.raises(ValueError, match="between"):
            pybpf.attach_clsact(program, wire.left, "ingress", **wrong)
    assert qdiscs(wire) == ""


def test_a_failed_attach_leaves_no_qdisc(wire: Wire, kit: pybpf.Object) -> None:
    wire.tool("tc qdisc add dev left clsact")
    wire.tool(FOREIGN.format(3))
    with pytest.raises(pybpf.AttachError, match="does not match"):
        pybpf.attach_clsact(kit.programs["at_tc_ingress"], wire.left, "ingress", priority=3)
    wire.tool("tc qdisc del dev left clsact")
    kit.close()
    with pytest.raises(pybpf.ObjectClosed):
        attach(kit, wire)
    assert qdiscs(wire) == ""


def test_an_ingress_qdisc_has_no_egress(wire: Wire, kit: pybpf.Object) -> None:
    wire.tool("tc qdisc add dev left ingress")
    with pytest.raises(pybpf.AttachError, match="no egress side"):
        attach(kit, wire, "egress")
    with attach(kit, wire):
        wire.send("right", COUNT)
        wait_until(lambda: runs(kit, TC_INGRESS) >= COUNT)
    assert qdiscs(wire) == "ingress"


def test_a_link_is_closed_from_another_namespace(wire: Wire, kit: pybpf.Object) -> None:
    link = attach(kit, wire)
    other = f"{wire.namespace}-other"
    wire.tool(f"ip netns add {other}")
    try:
        with inside(other):
            link.close()
    finally:
        wire.tool(f"ip netns del {other}")
    assert pybpf.query_attached(wire.left) == []
    assert qdiscs(wire) == ""


def test_a_filter_that_somebody_removed_already(wire: Wire, kit: pybpf.Object) -> None:
    link = attach(kit, wire)
    wire.tool("tc filter del dev left ingress")
    link.close()
    link = attach(kit, wire)
    wire.tool("tc qdisc del dev left clsact")
    link.close()


DIES = """
import os, sys, pybpf
opened = pybpf.Object.open(sys.argv[1])
opened.load()
links = [pybpf.attach_clsact(opened.programs[f"at_tc_{d}"], int(sys.argv[2]), d)
         for d in ("ingress", "egress")]
os.kill(os.getpid(), 9)
"""


def leave_filters_behind(wire: Wire, kit_path: Path) -> None:
    command = [sys.executable, "-c", DIES, str(kit_path), str(wire.left)]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(pybpf.query_attached(wire.left)) == 2


def test_what_a_dead_process_left_is_swept(wire: Wire, kit_path: Path) -> None:
    leave_filters_behind(wire, kit_path)
    assert pybpf.sweep_clsact(wire.left, "other_") == 0
    assert pybpf.sweep_clsact(wire.left, "at_tc_") == 2
    assert pybpf.query_attached(wire.left) == []
    assert qdiscs(wire) == ""
    assert pybpf.sweep_clsact(wire.left, "at_tc_") == 0


def test_a_sweep_leaves_the_living_and_the_foreign(
    wire: Wire, kit: pybpf.Object, kit_path: Path
) -> None:
    with attach(kit, wire):
        leave = subprocess.run(
            [sys.executable, "-c", DIES, str(kit_path), str(wire.left)], check=False
        )
        assert leave.returncode == -9
        wire.tool(FOREIGN.format(7))
        assert pybpf.sweep_clsact(wire.left, "at_tc_") == 2
        names = [entry.name for entry in pybpf.query_attached(wire.left) if entry.program_id]
        assert names == ["at_tc_ingress"]
    # Made by the dead process? By the living one: it was first.
    assert "u32" in wire.tool("tc filter show dev left ingress")


def test_a_qdisc_outlives_its_dead_maker_only_as_long_as_it_is_used(
    wire: Wire, kit: pybpf.Object, kit_path: Path
) -> None:
    leave_filters_behind(wire, kit_path)
    with attach(kit, wire):
        pybpf.sweep_clsact(wire.left, "at_tc_")
        assert qdiscs(wire) == "clsact"
    assert qdiscs(wire) == ""


def test_sweeping_an_interface_that_is_not_there(wire: Wire) -> None:
    assert pybpf.sweep_clsact(4711, "at_tc_") == 0
