# SPDX-License-Identifier: Apache-2.0
"""Each mode with exactly its capabilities, and with one fewer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import traffic
from tests.support.capture_process import answer, ask, capture_process
from tests.support.requirements import require, skip_unless_others_can_read

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
    if name in ("tcx", "xdp-native", "socket")
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


@pytest.mark.parametrize("user", ["root", "nobody"])
@pytest.mark.parametrize(("settings", "needed"), MODES, ids=IDS)
def test_exactly_what_is_needed(
    veth: VethPair, settings: dict[str, Any], needed: tuple[str, ...], user: str
) -> None:
    if user == "nobody":
        skip_unless_others_can_read()
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


def streamer_run(
    veth: VethPair, privileges: list[str], settings: dict[str, Any]
) -> subprocess.Popen[str]:
    """Start the program itself at the near end."""
    environment = os.environ | {
        f"STREAMER_CAPTURE__{name.upper()}": value for name, value in settings.items()
    }
    environment["STREAMER_HTTP__ENABLED"] = "false"
    command = [*veth.near.enter, "setpriv", *privileges, sys.executable, "-m", "streamer", "run"]
    command += ["-i", "veth0", "--output", "-"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("settings", "needed"), MODES, ids=IDS)
def test_the_program_runs_with_exactly_those(
    veth: VethPair, settings: dict[str, Any], needed: tuple[str, ...]
) -> None:
    with streamer_run(veth, as_root(needed), settings) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "capturing on veth0" in line:
                break
        else:
            raise AssertionError(said)
        with traffic.udp_pair(veth) as (_, far):
            for _ in range(5):
                far.send(b"x")
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["observer"]["ingress"]["interface"]["name"] for event in events] == ["veth0"] * 5


@pytest.mark.parametrize("hook", ["tc", "xdp", "socket"])
def test_the_program_says_in_one_sentence_what_is_missing(veth: VethPair, hook: str) -> None:
    held = SOCKET if hook != "socket" else TC  # of the other kind: one is missing
    missing = "CAP_NET_RAW" if hook == "socket" else "CAP_NET_ADMIN"
    with streamer_run(veth, as_root(held), {"hook": hook}) as process:
        out, said = process.communicate(timeout=20)
    assert (process.returncode, out) == (77, "")
    first, *hint = said.splitlines()
    assert first.startswith("streamer: capturing with ")
    assert first.endswith(f"{missing} is missing")
    assert all(line.startswith("  ") for line in hint)


def test_another_namespace_needs_one_more(veth: VethPair) -> None:
    settings = {"interfaces": ["veth0"], "netns": str(veth.near.path)}
    with capture_process(veth.far, as_root(TC), **settings) as process:
        said = answer(process)
        assert said["exit_code"] == 77
        assert "CAP_SYS_ADMIN" in said["error"]
    with capture_process(veth.far, as_root((*TC, "sys_admin")), **settings) as process:
        assert answer(process)
