# SPDX-License-Identifier: Apache-2.0
"""The sd_notify protocol over real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from streamer.config import LogSettings
from streamer.observe import logs
from streamer.observe.notify import VARIABLE, notify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """The end of the protocol that a service manager holds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(5)
        yield listening


def test_assignments_arrive_at_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv(VARIABLE, path)
    with manager(path) as listening:
        notify(READY="1", STATUS="capturing on eth0, über TCX")
        assert listening.recv(4096).decode() == "READY=1\nSTATUS=capturing on eth0, über TCX"


def test_an_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"streamer-test-{uuid.uuid4()}"
    monkeypatch.setenv(VARIABLE, f"@{name}")
    with manager(f"\0{name}") as listening:
        notify(STOPPING="1")
        assert listening.recv(4096) == b"STOPPING=1"


def test_a_value_cannot_add_an_assignment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv(VARIABLE, path)
    with manager(path) as listening:
        notify(STATUS="no broker answers\nMAINPID=1")
        assert listening.recv(4096) == b"STATUS=no broker answers MAINPID=1"


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    monkeypatch.setattr(socket, "socket", None)  # would raise if it were called
    notify(READY="1")


@pytest.mark.usefixtures("restored_logging")
def test_a_manager_that_has_gone_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = StringIO()
    logs.configure(LogSettings(), stream=said)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    notify(READY="1")
    line = json.loads(said.getvalue())
    assert line["log.level"] == "warning"
    assert "No such file" in line["reason"]


@pytest.mark.skipif(os.geteuid() != 0, reason="captures on loopback")
@pytest.mark.root
def test_a_run_says_when_it_captures_and_when_it_stops(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    command = [sys.executable, "-P", "-m", "streamer", "run", "-i", "lo", "-o", "/dev/null"]
    environment = {**os.environ, VARIABLE: path, "STREAMER_HTTP__ENABLED": "false"}
    environment["STREAMER_STATS__INTERVAL_S"] = "0.2"
    with (
        manager(path) as listening,
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process,
    ):
        listening.settimeout(30)
        try:
            first = listening.recv(4096).decode().splitlines()
            assert first[0] == "READY=1"
            assert first[1].startswith("STATUS=streamer: capturing on lo by tc")
            assert " packets seen (" in listening.recv(4096).decode()
            process.send_signal(signal.SIGTERM)
            while (state := listening.recv(4096)) != b"STOPPING=1":
                assert state.startswith(b"STATUS=")
            assert process.wait(30) == 0
        finally:
            process.kill()
