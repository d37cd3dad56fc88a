# SPDX-License-Identifier: Apache-2.0
"""Each mode with exactly its capabilities, and with one fewer."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import traffic
from tests.support.capture_process import answer, ask, capture_process
from tests.support.requirements import require

if TYPE_CHECKING:
    from tests.support.netns import VethPair

pytestmark = pytest.mark.root

TC = ("bpf", "net_admin", "perfmon")
SOCKET = ("bpf", "net_raw", "perfmon")
MODES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"hook": "tc", "tc_attach": "tcx"}, TC),
    ({"hook": "tc", "tc_attach": "clsact"}, TC),
    ({"hook": "xdp", "xdp_mode": "native"}, TC),
    ({"hook": "xdp", "xdp_mode": "generic"}, TC),
    ({"hook": "socket"}, SOCKET),
]
IDS = ["tcx", "clsact", "xdp-native", "xdp-generic", "socket"]
FEWER = [
    pytest.param(settings, needed, lacking, id=f"{name}-without-{lacking}")
    for name, (settings, needed) in zip(IDS, MODES, strict=True)
    for lacking in needed
]
NOBODY = "65534"


def as_root(capabilities: tuple[str, ...]) -> list[str]:
    """A container's root: everything but these is out of the bounding set."""
    require(which("setpriv") is not None, "setpriv is not installed")
    return ["--bounding-set", ",".join(["-all", *(f"+{name}" for name in capabilities)])]


def as_nobody(capabilities: tuple[str, ...]) -> list[str]:
    """Another user, with these as ambient capabilities."""
    require(which("setpriv") is not None, "setpriv is not installed")
    granted = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    ids = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    return [*ids, "--inh-caps", granted, "--ambient-caps", granted]


def source_is_readable_by_all() -> bool:
    folders = [*Path(__file__).resolve().parents, *Path(sys.executable).absolute().parents]
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in folders)


@pytest.mark.parametrize("user", ["root", "nobody"])
@pytest.mark.parametrize(("settings", "needed"), MODES, ids=IDS)
def test_exactly_what_is_needed(
    veth: VethPair, settings: dict[str, Any], needed: tuple[str, ...], user: str
) -> None:
    if user == "nobody":
        require(source_is_readable_by_all(), "this folder is closed to other users")
    privileges = as_root(needed) if user == "root" else as_nobody(needed)
    with capture_process(veth.near, privileges, interfaces=["veth0"], **settings) as process:
        started = answer(process)
        assert isinstance(started, list), started
        with traffic.udp_pair(veth) as (_, far):
            for _ in range(5):
                far.send(b"x")
        ask(process)
        assert answer(process)["seen"] == 5


@pytest.mark.parametrize(("settings", "needed", "lacking"), FEWER)
def test_one_fewer(
    veth: VethPair, settings: dict[str, Any], needed: tuple[str, ...], lacking: str
) -> None:
    privileges = as_root(tuple(name for name in needed if name != lacking))
    with capture_process(veth.near, privileges, interfaces=["veth0"], **settings) as process:
        said = answer(process)
        assert said["exit_code"] == 77
        assert f"CAP_{lacking.upper()} is missing" in said["error"]


def test_another_namespace_needs_one_more(veth: VethPair) -> None:
    settings = {"interfaces": ["veth0"], "netns": str(veth.near.path)}
    with capture_process(veth.far, as_root(TC), **settings) as process:
        said = answer(process)
        assert said["exit_code"] == 77
        assert "CAP_SYS_ADMIN" in said["error"]
    with capture_process(veth.far, as_root((*TC, "sys_admin")), **settings) as process:
        assert answer(process)
