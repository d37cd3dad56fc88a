# SPDX-License-Identifier: Apache-2.0
"""`streamer run` as another user with a mode's capabilities, and with one fewer."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamer.errors import ExitCode
from tests.support import traffic
from tests.support.requirements import require, skip_unless_others_can_read
from tests.support.service import service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.netns import VethPair

pytestmark = [pytest.mark.root, pytest.mark.kafka]

NOBODY = "65534"
TC = ("bpf", "net_admin", "perfmon")
SOCKET = ("bpf", "net_raw", "perfmon")
MODES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "tcx": ({"capture.hook": "tc", "capture.tc_attach": "tcx"}, TC),
    "clsact": ({"capture.hook": "tc", "capture.tc_attach": "clsact"}, TC),
    "xdp-native": ({"capture.hook": "xdp", "capture.xdp_mode": "native"}, TC),
    "xdp-generic": ({"capture.hook": "xdp", "capture.xdp_mode": "generic"}, TC),
    "socket": ({"capture.hook": "socket"}, SOCKET),
}
FEWER = [(mode, lacking) for mode in ("tcx", "xdp-native", "socket") for lacking in MODES[mode][1]]


def as_nobody(capabilities: tuple[str, ...]) -> tuple[str, ...]:
    """What makes a command run without root, with these and no other capability."""
    require(shutil.which("setpriv") is not None, "setpriv is not installed")
    skip_unless_others_can_read()
    granted = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    ids = ("--reuid", NOBODY, "--regid", NOBODY, "--clear-groups")
    sets = ("--inh-caps", granted, "--ambient-caps", granted, "--bounding-set", granted)
    return ("setpriv", *ids, *sets)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where anybody may write."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.parametrize("mode", MODES)
def test_exactly_what_is_needed(
    veth: VethPair, kafka: EmbeddedKafka, topic: str, open_folder: Path, mode: str
) -> None:
    """The broker is not reachable from there: its events must leave from another namespace."""
    settings, needed = MODES[mode]
    prefix = as_nobody((*needed, "sys_admin"))  # for --netns
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic]
    arguments += ["--kafka", kafka.bootstrap_servers]
    with service(open_folder, *arguments, prefix=prefix, settings=settings) as running:
        running.started()
        traffic.send_udp(veth, 6000, 5)
        assert running.end() == 0, running.text
    assert running.ledger()["records"]["acknowledged"] == 5

    prefix = as_nobody(needed)
    arguments = ["-i", "veth0", "--output", "/dev/null"]
    inside = veth.near
    with service(
        open_folder, *arguments, prefix=prefix, inside=inside, settings=settings
    ) as running:
        running.started()
        traffic.send_udp(veth, 6000, 5)
        assert running.end() == 0, running.text
    assert running.ledger()["records"]["acknowledged"] == 5


@pytest.mark.parametrize(("mode", "lacking"), FEWER)
def test_one_fewer(veth: VethPair, open_folder: Path, mode: str, lacking: str) -> None:
    settings, needed = MODES[mode]
    prefix = as_nobody(tuple(name for name in needed if name != lacking))
    arguments = ["-i", "veth0", "--output", "/dev/null"]
    inside = veth.near
    with service(
        open_folder, *arguments, prefix=prefix, inside=inside, settings=settings
    ) as running:
        assert running.wait() == ExitCode.MISSING_PRIVILEGE
    sentence, *hint = running.said
    assert sentence.startswith("streamer: capturing with ")
    assert sentence.endswith(f"CAP_{lacking.upper()} is missing")
    assert all(line.startswith("  ") for line in hint)


def test_another_namespace_needs_one_more(veth: VethPair, open_folder: Path) -> None:
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--output", "/dev/null"]
    with service(open_folder, *arguments, prefix=as_nobody(TC)) as running:
        assert running.wait() == ExitCode.MISSING_PRIVILEGE
    assert "CAP_SYS_ADMIN" in running.said[0]
    assert running.said[0].startswith("streamer: ")
