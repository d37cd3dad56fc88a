# SPDX-License-Identifier: Apache-2.0
"""`streamer run` with settings that are wrong, and with a port that is taken."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streamer.errors import ExitCode
from tests.support import traffic
from tests.support.service import service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.netns import VethPair

pytestmark = pytest.mark.root

BURST = 50


def capture(veth: VethPair, output: Path | str) -> list[str]:
    return ["-i", "veth0", "--netns", str(veth.near.path), "--output", str(output)]


def test_a_taken_port_is_a_warning(veth: VethPair, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"http.port": port}
        with service(tmp_path, *capture(veth, "/dev/null"), settings=settings) as running:
            running.started()
            (warning,) = [entry for entry in running.logged() if entry["log.level"] == "warning"]
            assert "no status page" in warning["message"]
            assert str(port) in warning["address"]
            traffic.send_udp(veth, 7000, BURST)
            assert running.end() == ExitCode.DONE
            assert running.ledger()["packets"]["seen"] == BURST


CONFIGURATIONS = {
    "unknown key": ('[kafka]\ntopik = "x"\n', "kafka.topic"),
    "unknown section": ("[kafak]\nx = 1\n", "kafka"),
    "wrong type": ('[kafka]\npartitions = "3"\n', "kafka.partitions"),
    "out of range": ("[capture]\nring_bytes = 1000\n", "capture.ring_bytes"),
    "not TOML": ("[kafka\n", "TOML"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_bad_configuration_is_a_sentence(tmp_path: Path, name: str) -> None:
    text, named = CONFIGURATIONS[name]
    file = tmp_path / "streamer.toml"
    file.write_text(text)
    for command in (["run", "-i", "lo"], ["config", "--check"]):
        assert named in refused(*command, "--config", str(file))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-i", "lo", "--config", "/nonexistent.toml"], "/nonexistent.toml"),
        (["-i", "nosuch0"], "lo"),
        ([], "lo"),
        (["-i", "lo", "--hook", "kprobe"], "tc, xdp, socket"),
        (["-i", "lo", "--hook", "xdp", "--direction", "egress"], "ingress"),
        (["-i", "lo", "--kafka", "broker:port"], "HOST:PORT"),
        (["-i", "lo", "--output", "/nonexistent/file"], "/nonexistent/file"),
    ],
)
def test_bad_options_are_a_sentence(arguments: list[str], named: str) -> None:
    code = ExitCode.FAILED if "--output" in arguments else ExitCode.USAGE
    assert named in refused("run", *arguments, code=code)


def refused(*arguments: str, code: ExitCode = ExitCode.USAGE) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "streamer", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("streamer: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 3
    return done.stderr
