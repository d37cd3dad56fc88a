# SPDX-License-Identifier: Apache-2.0
"""How `streamer run` ends: by signals, by kill, by its reader, and what it leaves: nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from streamer.demo.kafka import free_ports
from tests.support import traffic
from tests.support.netns import veth_pair
from tests.support.service import service
from tests.support.tcx import tcx_programs

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.demo.kafka import EmbeddedKafka
    from tests.support.netns import Namespace, VethPair

pytestmark = pytest.mark.root

MODES: dict[str, dict[str, str]] = {
    "tcx": {"capture.hook": "tc", "capture.tc_attach": "tcx"},
    "clsact": {"capture.hook": "tc", "capture.tc_attach": "clsact"},
    "xdp-native": {"capture.hook": "xdp", "capture.xdp_mode": "native"},
    "xdp-generic": {"capture.hook": "xdp", "capture.xdp_mode": "generic"},
    "socket": {"capture.hook": "socket"},
}
modes = pytest.mark.parametrize("mode", MODES)
ATTACHED = {"tcx": 2, "clsact": 2, "xdp-native": 1, "xdp-generic": 1, "socket": 0}


def attached(namespace: Namespace) -> int:
    """Programs on veth0, as iproute2 and the kernel tell."""
    (link,) = json.loads(namespace.run("ip", "-json", "link", "show", "dev", "veth0"))
    filters = [
        line
        for direction in ("ingress", "egress")
        for line in namespace.run(
            "tc", "filter", "show", "dev", "veth0", direction, check=False
        ).splitlines()
        if " handle " in line
    ]
    with namespace.entered():
        return ("xdp" in link) + len(filters) + tcx_programs(link["ifindex"])


def packet_sockets(namespace: Namespace) -> int:
    """Packet sockets bound to an interface."""
    lines = namespace.run("cat", "/proc/net/packet").splitlines()[1:]
    return sum(line.split()[4] != "0" for line in lines)


def qdiscs(namespace: Namespace) -> str:
    return namespace.run("tc", "qdisc", "show", "dev", "veth0")


@pytest.mark.parametrize(
    ("mode", "number"), [*((mode, signal.SIGTERM) for mode in MODES), ("tcx", signal.SIGINT)]
)
def test_a_signal_ends_it_in_good_order(
    veth: VethPair, tmp_path: Path, mode: str, number: int
) -> None:
    events = tmp_path / "events"
    arguments = ["-i", "veth0", "--output", str(events)]
    with service(tmp_path, *arguments, inside=veth.near, settings=MODES[mode]) as running:
        running.started()
        assert attached(veth.near) == ATTACHED[mode]
        assert packet_sockets(veth.near) == (mode == "socket")
        traffic.send_udp(veth, 6000, 20)
        began = time.monotonic()
        assert running.end(number) == 0, running.text
        assert time.monotonic() - began < 3
    assert attached(veth.near) == packet_sockets(veth.near) == 0
    assert "clsact" not in qdiscs(veth.near)
    assert running.ledger()["records"]["acknowledged"] == 20
    assert len(events.read_text().splitlines()) == 20


@modes
def test_a_kill_leaves_nothing_that_stays(veth: VethPair, tmp_path: Path, mode: str) -> None:
    arguments = ["-i", "veth0", "--output", "/dev/null"]
    with service(tmp_path, *arguments, inside=veth.near, settings=MODES[mode]) as running:
        running.started()
        running.kill()
    left = 2 if mode == "clsact" else 0
    assert attached(veth.near) == left
    assert packet_sockets(veth.near) == 0
    for settings in (MODES["tcx"], MODES["clsact"]) if left else ():
        with service(tmp_path, *arguments, inside=veth.near, settings=settings) as running:
            running.started()
            assert attached(veth.near) == 2
            traffic.send_udp(veth, 6000, 20)
            assert running.end() == 0, running.text
        assert running.ledger()["packets"]["seen"] == 20
        swept = [m for m in running.logged() if "dead process" in m["message"]]
        assert [message["filters"] for message in swept] == ([2] if left else [])
        left = 0
        assert attached(veth.near) == 0


def test_a_qdisc_that_was_there_stays(veth: VethPair, tmp_path: Path) -> None:
    veth.near.run("tc", "qdisc", "add", "dev", "veth0", "clsact")
    arguments = ["-i", "veth0", "--output", "/dev/null"]
    with service(tmp_path, *arguments, inside=veth.near, settings=MODES["clsact"]) as running:
        running.started()
        assert attached(veth.near) == 2
        assert running.end() == 0, running.text
    assert attached(veth.near) == 0
    assert "clsact" in qdiscs(veth.near)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(veth: VethPair, tmp_path: Path, number: int) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--kafka", f"127.0.0.1:{port}"]
    with service(tmp_path, *arguments, settings=MODES["clsact"]) as running:
        running.started()
        traffic.send_udp(veth, 6000, 20)
        running.process.send_signal(number)
        running.wait_for("streamer: stopping")
        began = time.monotonic()
        code = running.end(number)
        assert time.monotonic() - began < 1.5
    assert code == (130 if number == signal.SIGINT else -signal.SIGTERM), running.text
    assert attached(veth.near) == 0  # detached before the waiting began
    assert "clsact" not in qdiscs(veth.near)


def test_a_signal_while_it_still_looks_for_the_broker(veth: VethPair, tmp_path: Path) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--kafka", f"127.0.0.1:{port}"]
    with service(tmp_path, *arguments) as running:
        running.wait_for("connection refused")
        began = time.monotonic()
        assert running.end() == 0, running.text
        assert time.monotonic() - began < 1
    assert "unaccounted 0" in running.text


def test_an_idle_run_without_a_broker_ends_at_once(veth: VethPair, tmp_path: Path) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--kafka", f"127.0.0.1:{port}"]
    settings = {"stats.interval_s": "0.1"}
    with service(tmp_path, *arguments, settings=settings) as running:
        running.started()
        began = time.monotonic()
        assert running.end() == 0, running.text
        assert time.monotonic() - began < 1.5


@pytest.mark.kafka
def test_the_end_of_a_busy_run_is_prompt(
    veth: VethPair, kafka: EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    arguments = ["-i", "veth0", "--netns", str(veth.near.path), "--topic", topic]
    with service(tmp_path, *arguments, "--kafka", kafka.bootstrap_servers) as running:
        running.started()
        traffic.send_udp(veth, 6000, 20_000)
        began = time.monotonic()
        assert running.end(signal.SIGINT) == 0, running.text
        assert time.monotonic() - began < 3
    assert running.ledger()["records"]["acknowledged"] == 20_000


# ------------------------------------------------------------------ files and pipes


def test_head_takes_one_line(veth: VethPair, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(["head", "-1"], stdin=reading, stdout=subprocess.PIPE) as head:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            arguments = ["-i", "veth0", "--output", "-"]
            running = service(tmp_path, *arguments, inside=veth.near, stdout=pipe)
            with running as streamer:
                pipe.close()
                streamer.started()
                deadline = time.monotonic() + 10
                while streamer.process.poll() is None and time.monotonic() < deadline:
                    traffic.send_udp(veth, 6000, 20)
                    time.sleep(0.05)
                assert streamer.wait() == 0, streamer.text
        line, _ = head.communicate()
    assert json.loads(line)["destination"]["port"] == 6000
    assert "roken pipe" not in streamer.text
    ledger = streamer.ledger()
    assert ledger["lost"] == ledger["records"]["failed"]["closed_pipe"]
    assert ledger["undelivered"] == 0
    assert "streamer: the reader has gone" in streamer.said[-1]


def test_a_full_disk_is_a_counted_failure(veth: VethPair, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "e2e-small", small],
        check=True,
        capture_output=True,
    )
    try:
        events = small / "events"
        arguments = ["-i", "veth0", "--output", str(events)]
        with service(tmp_path, *arguments, inside=veth.near) as running:
            running.started()
            for _ in range(50):
                traffic.send_udp(veth, 6000, 100)
            running.until(lambda: not running.readiness()[0], "the disk to be full")
            assert "No space left" in running.readiness()[1]["delivery"]
            assert running.end() == 3, running.text
        ledger = running.ledger()
        written = events.read_text()
    finally:
        subprocess.run(["umount", small], check=True)
    assert ledger["packets"]["seen"] == 5000
    assert set(ledger["records"]["failed"]) == {"no_space"}
    assert ledger["lost"] == ledger["records"]["failed"]["no_space"]
    lines = written.splitlines()
    assert len(lines) == ledger["records"]["acknowledged"] == 5000 - ledger["lost"]
    assert all(json.loads(line) for line in lines)
    (error,) = [m for m in running.logged() if m["log.level"] == "error"]
    assert str(events) in error["message"]


# ------------------------------------------------------------------ beside others


def test_a_second_one_works_beside_the_first(veth: VethPair, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    arguments = ["-i", "veth0", "--output", "/dev/null"]
    with service(folders[0], *arguments, inside=veth.near) as first:
        first.started()
        settings = {"http.port": str(first.port)}
        with service(folders[1], *arguments, inside=veth.near, settings=settings) as second:
            second.started()
            assert attached(veth.near) == 4
            traffic.send_udp(veth, 6000, 20)
            assert second.end() == 0, second.text
        assert attached(veth.near) == 2
        traffic.send_udp(veth, 6000, 10)
        assert first.seen() == 30
        assert first.end() == 0, first.text
    (warning,) = second.logged()
    assert warning["log.level"] == "warning"
    assert warning["message"].startswith("no status page")
    assert warning["address"] == f"127.0.0.1:{first.port}"
    assert first.ledger()["records"]["acknowledged"] == 30
    assert second.ledger()["records"]["acknowledged"] == 20


@pytest.mark.parametrize("mode", ["xdp-generic", "xdp-native"])
def test_a_busy_xdp_hook_is_a_sentence(veth: VethPair, tmp_path: Path, mode: str) -> None:
    arguments = ["-i", "veth0", "--output", "/dev/null"]
    with service(tmp_path, *arguments, inside=veth.near, settings=MODES[mode]) as first:
        first.started()
        with service(tmp_path, *arguments, inside=veth.near, settings=MODES[mode]) as second:
            assert second.wait() == 1
        sentences = [line for line in second.said if not line.startswith("{")]
        assert sentences[0].startswith("streamer: ")
        assert "veth0" in sentences[0]
        assert all(line.startswith("  ") for line in sentences[1:])
        assert attached(veth.near) == 1
        traffic.send_udp(veth, 6000, 10)
        assert first.seen() == 10
        assert first.end() == 0, first.text


def test_a_whole_namespace_that_vanishes(tmp_path: Path) -> None:
    """The interfaces go with it; what was captured arrives."""
    with veth_pair(prefix="e2e") as pair:
        arguments = ["-i", "veth0", "--netns", str(pair.near.path), "--output", "/dev/null"]
        with service(tmp_path, *arguments) as running:
            running.started()
            traffic.send_udp(pair, 6000, 10)
            pair.far.ip("link del veth0")
            running.wait_for("interface disappeared")
            assert running.readiness() == (
                False,
                {"capture": "no interface is attached", "delivery": "ok"},
            )
            assert running.end() == 0, running.text
    assert running.ledger()["records"]["acknowledged"] == 10
