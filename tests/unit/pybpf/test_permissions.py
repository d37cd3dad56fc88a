# SPDX-License-Identifier: Apache-2.0
"""The same calls with fewer capabilities: the error names exactly what is missing."""

from __future__ import annotations

import subprocess
import sys
from shutil import which
from typing import TYPE_CHECKING

import pytest

import pybpf
from tests.support.requirements import require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.wire import Wire

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("bpf_privileges")]

ALL = ("bpf", "net_admin", "perfmon", "net_raw", "sys_admin")

# Runs an expression with the loaded kit, prints what came of it.
CHILD = """
import sys, pybpf
path, ifindex, programs, expression = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
try:
    with pybpf.Object.open(path) as kit:
        for name, program in kit.programs.items():
            program.set_autoload(name in programs.split(","))
        kit.load()
        result = eval(expression)
        if hasattr(result, "close"):
            result.close()
        print("ok", result)
except pybpf.PermissionDenied as error:
    print("denied", ",".join(sorted(error.missing)) or "nothing missing")
"""


def attempt(
    capabilities: tuple[str, ...], kit_path: Path, ifindex: int, programs: str, expression: str
) -> str:
    """What the child printed, run with these capabilities only."""
    require(which("setpriv") is not None, "setpriv is not installed")
    bounding = "-all" + "".join(f",+{name}" for name in capabilities)
    command = ["setpriv", f"--bounding-set={bounding}", f"--inh-caps={bounding}", sys.executable]
    done = subprocess.run(
        [*command, "-c", CHILD, str(kit_path), str(ifindex), programs, expression],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


OPERATIONS = {
    "xdp": ("at_xdp", "pybpf.attach_xdp(kit.programs['at_xdp'], ifindex)"),
    "tcx": ("at_tc_ingress", "pybpf.attach_tcx(kit.programs['at_tc_ingress'], ifindex, 'ingress')"),
    "clsact": (
        "at_tc_ingress",
        "pybpf.attach_clsact(kit.programs['at_tc_ingress'], ifindex, 'ingress')",
    ),
    "socket": ("at_socket", "pybpf.attach_socket_filter(kit.programs['at_socket'], ifindex)"),
    "test run": ("at_xdp", "kit.programs['at_xdp'].test_run(bytes(64))"),
    "ring": ("at_xdp", "pybpf.RingBuffer(kit.maps['ring'])"),
    "wait": ("at_xdp", "pybpf.wait_for_running_programs()"),
    "wait without membarrier": ("at_xdp", "pybpf._core.replace_inner_map()"),
    "statistics": ("at_socket", "pybpf.RunStatistics()"),
    "query": ("at_socket", "pybpf.query_attached(ifindex)"),
}
# The kit's XDP program subtracts pointers: CAP_PERFMON. Its socket filter does not.
NETWORK = ("bpf", "net_admin", "perfmon")


@pytest.mark.parametrize(
    ("operation", "capabilities"),
    [
        ("xdp", NETWORK),
        ("tcx", NETWORK),
        ("clsact", NETWORK),
        ("socket", ("bpf", "net_raw")),
        ("test run", NETWORK),
        ("ring", NETWORK),
        ("wait", NETWORK),
        ("wait without membarrier", NETWORK),
        ("statistics", ("sys_admin",)),
        ("query", ("bpf", "net_admin")),
    ],
)
def test_these_capabilities_suffice(
    wire: Wire, kit_path: Path, operation: str, capabilities: tuple[str, ...]
) -> None:
    programs, expression = OPERATIONS[operation]
    assert attempt(capabilities, kit_path, wire.left, programs, expression).startswith("ok")


@pytest.mark.parametrize(
    ("operation", "capabilities", "missing"),
    [
        ("xdp", (), "CAP_BPF"),
        ("xdp", ("net_admin", "perfmon"), "CAP_BPF"),
        ("xdp", ("bpf", "net_admin"), "CAP_PERFMON"),
        ("xdp", ("bpf", "perfmon"), "CAP_NET_ADMIN"),
        ("tcx", ("bpf", "perfmon"), "CAP_NET_ADMIN"),
        ("clsact", ("bpf", "perfmon"), "CAP_NET_ADMIN"),
        ("socket", ("bpf",), "CAP_NET_RAW"),
        ("socket", ("net_raw",), "CAP_BPF"),
        ("statistics", ("bpf",), "CAP_SYS_ADMIN"),
        ("query", ("bpf",), "CAP_NET_ADMIN"),
    ],
)
def test_the_missing_one_is_named(
    wire: Wire, kit_path: Path, operation: str, capabilities: tuple[str, ...], missing: str
) -> None:
    programs, expression = OPERATIONS[operation]
    said = attempt(capabilities, kit_path, wire.left, programs, expression)
    assert said == f"denied {missing}"


def test_names_of_neighbours_are_left_out_without_sys_admin(
    wire: Wire, kit_path: Path, kit: pybpf.Object
) -> None:
    expression = "[entry.name for entry in pybpf.query_attached(ifindex)]"
    with pybpf.attach_tcx(kit.programs["at_tc_ingress"], wire.left, "ingress"):
        for capabilities, expected in (
            (("bpf", "net_admin"), "[None]"),
            (ALL, "['at_tc_ingress']"),
        ):
            said = attempt(capabilities, kit_path, wire.left, "at_socket", expression)
            assert said == f"ok {expected}"


@pytest.mark.parametrize("name", sorted(pybpf.features.FEATURES))
def test_features_are_not_guessed_without_privileges(wire: Wire, kit_path: Path, name: str) -> None:
    expression = f"pybpf.features.FEATURES[{name!r}].probe()"
    program = "import sys, pybpf\ntry:\n print(%s)\nexcept pybpf.PermissionDenied as e: print(e)"
    del wire, kit_path
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c"]
    done = subprocess.run(
        [*command, program % expression], capture_output=True, text=True, check=True
    )
    assert "CAP_BPF" in done.stdout
