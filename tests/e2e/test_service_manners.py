# SPDX-License-Identifier: Apache-2.0
"""`streamer run`: how it starts, how it ends, what it leaves behind, and how it refuses."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pybpf import query_attached
from streamer.errors import ExitCode
from tests.support import traffic
from tests.support.service import service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.netns import VethPair

pytestmark = pytest.mark.root

NOBODY_LISTENS = "127.0.0.1:1"
MODES: dict[str, dict[str, Any]] = {
    "tcx": {"capture.hook": "tc", "capture.tc_attach": "tcx"},
    "clsact": {"capture.hook": "tc", "capture.tc_attach": "clsact"},
    "xdp-native": {"capture.hook": "xdp", "capture.xdp_mode": "native"},
    "xdp-generic": {"capture.hook": "xdp", "capture.xdp_mode": "generic"},
    "socket": {"capture.hook": "socket"},
}
BURST = 50


def capture(veth: VethPair, output: Path | str) -> list[str]:
    return ["-i", "veth0", "--netns", str(veth.near.path), "--output", str(output)]


def attached(veth: VethPair) -> list[str]:
    with veth.near.entered():
        return [f"{one.hook} {one.direction}" for one in query_attached(veth.near.index("veth0"))]


def queueing_disciplines(veth: VethPair) -> str:
    return veth.near.run("tc", "qdisc", "show", "dev", "veth0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("mode", MODES)
def test_a_signal_ends_it_and_nothing_stays(
    veth: VethPair, tmp_path: Path, mode: str, number: signal.Signals
) -> None:
    before = queueing_disciplines(veth)
    lines = tmp_path / "events"
    with service(tmp_path, *capture(veth, lines), settings=MODES[mode]) as running:
        running.started()
        assert attached(veth) or mode == "socket"
        traffic.send_udp(veth, 7000, BURST)
        assert running.end(number, timeout_s=5) == ExitCode.DONE
        ledger = running.ledger()
    assert ledger["packets"]["seen"] == ledger["records"]["acknowledged"] == BURST
    assert len(lines.read_bytes().splitlines()) == BURST
    assert attached(veth) == []
    assert queueing_disciplines(veth) == before


@pytest.mark.parametrize("mode", ["tcx", "xdp-native", "xdp-generic"])
def test_killed_it_leaves_nothing(veth: VethPair, tmp_path: Path, mode: str) -> None:
    with service(tmp_path, *capture(veth, "/dev/null"), settings=MODES[mode]) as running:
        running.started()
        assert attached(veth)
        running.kill()
    # The kernel releases a dead process's links in its own time.
    with service(tmp_path, *capture(veth, "/dev/null"), settings=MODES[mode]) as again:
        again.started()
        assert again.end() == ExitCode.DONE
    assert attached(veth) == []


def test_what_a_killed_one_leaves_with_clsact_is_swept(veth: VethPair, tmp_path: Path) -> None:
    before = queueing_disciplines(veth)
    with service(tmp_path, *capture(veth, "/dev/null"), settings=MODES["clsact"]) as running:
        running.started()
        running.kill()
    assert len(attached(veth)) == 2
    with service(tmp_path, *capture(veth, "/dev/null"), settings=MODES["clsact"]) as again:
        again.started()
        assert len(attached(veth)) == 2  # its own, and those only
        traffic.send_udp(veth, 7000, BURST)
        assert again.end() == ExitCode.DONE
        assert again.ledger()["packets"]["seen"] == BURST
    assert attached(veth) == []
    assert queueing_disciplines(veth) == before


def test_a_second_signal_ends_it_at_once(veth: VethPair, tmp_path: Path) -> None:
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--kafka", NOBODY_LISTENS]
    with service(tmp_path, *arguments) as running:
        running.started()
        traffic.send_udp(veth, 7000, BURST)
        running.process.send_signal(signal.SIGINT)  # it would try for ten seconds
        running.until(lambda: attached(veth) == [], "it to detach")
        assert running.end(signal.SIGINT, timeout_s=3) in (ExitCode.INTERRUPTED, -signal.SIGINT)


def test_two_at_once_see_everything(veth: VethPair, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        service(tmp_path / "a", *capture(veth, "/dev/null")) as one,
        service(tmp_path / "b", *capture(veth, "/dev/null")) as other,
    ):
        one.started()
        other.started()
        traffic.send_udp(veth, 7000, BURST)
        for running in (one, other):
            assert running.end() == ExitCode.DONE
            assert running.ledger()["packets"]["seen"] == BURST


def test_a_foreign_xdp_program_is_not_replaced(veth: VethPair, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    settings = MODES["xdp-generic"]
    with service(tmp_path / "a", *capture(veth, "/dev/null"), settings=settings) as first:
        first.started()
        with service(tmp_path / "b", *capture(veth, "/dev/null"), settings=settings) as second:
            assert second.wait() == ExitCode.FAILED
            assert "veth0" in second.said[0]
            assert len(second.said) <= 2
        traffic.send_udp(veth, 7000, BURST)
        assert first.end() == ExitCode.DONE
        assert first.ledger()["packets"]["seen"] == BURST


def test_a_reader_that_has_enough(veth: VethPair, tmp_path: Path) -> None:
    with subprocess.Popen(
        ["head", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as head:
        assert head.stdin is not None
        with service(tmp_path, *capture(veth, "-"), stdout=head.stdin) as running:
            head.stdin.close()
            running.started()
            traffic.send_udp(veth, 7000, BURST)
            assert head.wait(10) == 0
            traffic.send_udp(veth, 7000, BURST)
            assert running.wait() in (ExitCode.DONE, ExitCode.LOSSES)
            assert running.ledger()["packets"]["seen"] >= BURST
        assert head.stdout is not None
        assert head.stdout.read().startswith(b'{"@timestamp"')


def test_a_full_disk_is_a_counted_loss(veth: VethPair, tmp_path: Path) -> None:
    with service(tmp_path, *capture(veth, "/dev/full")) as running:
        running.started()
        traffic.send_udp(veth, 7000, BURST)
        running.until(lambda: not running.readiness()[0], "/readyz to be red")
        assert running.end() == ExitCode.LOSSES
        ledger = running.ledger()
    assert ledger["records"]["failed"] == {"no_space": BURST}
    assert ledger["lost"] == BURST


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
