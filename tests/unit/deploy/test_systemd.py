# SPDX-License-Identifier: Apache-2.0
"""The systemd unit: valid, hardened, with exactly the privileges of the default mode."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from streamer.capture.programs import needed_capabilities
from streamer.config import CaptureSettings, ShutdownSettings
from streamer.errors import ExitCode
from tests.support.requirements import require

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "deploy" / "systemd" / "streamer.service"

# systemd's own scale: 0 is closed, 10 open; below 2 it calls a service safe.
MAX_EXPOSURE = 2.0


@pytest.fixture(scope="module")
def settings() -> dict[str, list[str]]:
    """Each setting of the [Service] section, with all its values."""
    found: dict[str, list[str]] = {}
    section = UNIT.read_text(encoding="utf-8").partition("[Service]")[2].partition("[Install]")[0]
    for name, value in re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as on a machine where the program is there."""
    require(shutil.which("systemd-analyze") is not None, "systemd-analyze is not installed")
    program = tmp_path / "streamer"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8").replace("/opt/streamer/bin/streamer", str(program))
    copy.write_text(text, encoding="utf-8")
    return copy


def test_systemd_understands_every_line(installed: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", installed],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "streamer" in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


def test_exposure(installed: Path) -> None:
    threshold = str(int(MAX_EXPOSURE * 10))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={threshold}", installed],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    told = re.search(r"Overall exposure level for streamer.service: ([\d.]+)", done.stdout)
    assert told is not None
    assert float(told[1]) <= MAX_EXPOSURE


def test_capabilities_are_the_modes(settings: dict[str, list[str]]) -> None:
    wanted = set(needed_capabilities(CaptureSettings().hook))
    (ambient,), (bounding,) = settings["AmbientCapabilities"], settings["CapabilityBoundingSet"]
    assert set(ambient.split()) == set(bounding.split()) == wanted
    assert settings["NoNewPrivileges"] == ["yes"]


def test_it_is_restarted_where_that_helps(settings: dict[str, list[str]]) -> None:
    (kept_down,) = settings["RestartPreventExitStatus"]
    assert set(map(int, kept_down.split())) == {ExitCode.USAGE, ExitCode.MISSING_PRIVILEGE}


def test_it_has_the_time_to_end(settings: dict[str, list[str]]) -> None:
    (timeout,) = settings["TimeoutStopSec"]
    assert float(timeout.removesuffix("s")) > ShutdownSettings().deadline_s
