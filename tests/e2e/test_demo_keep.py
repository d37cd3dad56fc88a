# SPDX-License-Identifier: Apache-2.0
"""`streamer demo --keep` and `--down`: what is printed works, and every end leaves nothing."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamer.demo.lock import LOCK
from streamer.errors import ExitCode
from tests.support.demo import (
    COMMAND,
    GONE_S,
    Demo,
    counted,
    gone,
    remains,
    require_what_a_demo_needs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ARRIVES_S = 20.0
MORE_TRAFFIC = "More traffic, from another shell"
pytestmark = [pytest.mark.root, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]


class Kept:
    """A kept demo, and the commands that were printed."""

    def __init__(self) -> None:
        require_what_a_demo_needs()
        self.before = remains()
        self.demo = Demo(("--keep",))
        self.status = self.demo.end()
        _, _, told = self.demo.output.partition("how to look at it\n")
        self.commands = dict(re.findall(r"^(\S.*)\n  (.+)$", told, re.MULTILINE))

    @property
    def keeper(self) -> int:
        return int(json.loads(LOCK.read_bytes())["process_id"])

    def run(self, title: str) -> str:
        """What a printed command prints, in a shell."""
        return shell(self.commands[title])

    def rows(self) -> int:
        """How many packets ClickHouse has read since the tour."""
        ask, _, _ = self.commands["The latest in ClickHouse"].partition("--data")
        count = shell(f"{ask} --data 'SELECT count() FROM streamer.packets'")  # noqa: S608
        return int(count) - counted(self.demo.output)["read by ClickHouse"]

    def seen(self) -> int:
        """How many packets the kernel has seen since then."""
        found = re.findall(
            r"^streamer_packets_seen_total\{.*\} (\S+)$",
            self.run("Metrics of streamer run"),
            re.MULTILINE,
        )
        return sum(int(float(count)) for count in found)

    def signal(self, number: signal.Signals) -> None:
        """Send it to the keeper; returns when that has ended."""
        keeper = os.pidfd_open(self.keeper)
        signal.pidfd_send_signal(keeper, number)
        ended, _, _ = select.select([keeper], [], [], 60)
        os.close(keeper)
        assert ended


def shell(command: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def streamer_demo(*arguments: str) -> tuple[int, str]:
    """Exit code and output of another `streamer demo`."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
    assert "Traceback" not in done.stdout
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    """One for all tests that leave it as it is."""
    yield from a_kept_demo()


@pytest.fixture
def mortal() -> Iterator[Kept]:
    """One for a test that ends it."""
    yield from a_kept_demo()


def a_kept_demo() -> Iterator[Kept]:
    running = Kept()
    yield running
    streamer_demo("--down")


def test_the_command_ends_and_lets_go_of_its_output(kept: Kept) -> None:
    assert kept.status == ExitCode.DONE, kept.demo.output
    assert "unaccounted 0" in kept.demo.output
    assert len(kept.demo.processes()) == 5, kept.demo.processes()  # the keeper, and its parts


def test_what_is_printed_shows_more_traffic_arrive(kept: Kept) -> None:
    seen = kept.seen()
    kept.run(MORE_TRAFFIC)
    assert kept.seen() - seen > 10
    deadline = time.monotonic() + ARRIVES_S
    while not (arrived := kept.rows() == kept.seen()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert arrived
    assert "192.0.2.2" in kept.run("The latest in ClickHouse")
    assert "capturing on demo0" in kept.run("Logs")


def test_tail_shows_more_traffic_as_it_comes(kept: Kept) -> None:
    command = kept.commands["The packets in Kafka, as they come; Ctrl-C ends it"]
    tail = subprocess.Popen(["/bin/sh", "-c", f"exec {command}"], stdout=subprocess.PIPE)
    output = b""
    deadline = time.monotonic() + ARRIVES_S
    try:
        assert tail.stdout is not None
        while b"192.0.2.2:80" not in output and time.monotonic() < deadline:
            kept.run(MORE_TRAFFIC)  # again: it may not follow yet
            if select.select([tail.stdout], [], [], 1)[0]:
                output += os.read(tail.stdout.fileno(), 65536)
    finally:
        tail.send_signal(signal.SIGINT)
        tail.communicate(timeout=30)
    assert tail.returncode == ExitCode.INTERRUPTED
    assert b"192.0.2.2:80" in output


def test_clickhouse_answers_only_who_was_told_the_password(kept: Kept) -> None:
    command = kept.commands["The latest in ClickHouse"]
    assert "Authentication failed" in shell(re.sub(r"-u \S+", "", command))
    folder = re.search(r"\S+streamer-demo-\w+", kept.commands["Logs"])
    assert folder is not None
    for path in (LOCK, Path(folder[0])):  # where it is written
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("arguments", [(), ("--keep",)])
def test_another_one_is_told_how_to_look_at_it_and_end_it(
    kept: Kept, arguments: tuple[str, ...]
) -> None:
    status, output = streamer_demo(*arguments)
    assert status == ExitCode.FAILED
    assert f"another demo is kept (process {kept.keeper})" in output
    for command in kept.commands.values():
        assert f"    {command}\n" in output


def test_down_tells_the_ledger_and_leaves_nothing(kept: Kept) -> None:
    seen = kept.seen()
    ended = subprocess.run(
        ["/bin/sh", "-c", kept.commands["End it all"]],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (ExitCode.DONE, "")
    counts = counted(ended.stdout)
    assert counts["seen by the kernel"] == counts["read by ClickHouse"] >= seen
    assert ended.stdout.rstrip().endswith("unaccounted 0")
    gone(kept.demo, kept.before)

    status, output = streamer_demo("--down")
    assert (status, output) == (
        ExitCode.FAILED,
        "streamer: no demo is kept\n  keep one with: streamer demo --keep\n",
    )


def test_of_a_killed_one_the_rest_is_swept(mortal: Kept) -> None:
    mortal.signal(signal.SIGKILL)
    deadline = time.monotonic() + GONE_S
    while mortal.demo.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mortal.demo.processes() == {}  # they die with it
    left = remains() - mortal.before
    assert len(left) == 4, left
    status, output = streamer_demo("--down")
    assert status == ExitCode.LOSSES
    assert "had been killed" in output
    for path in left - {str(LOCK)}:
        assert path in output
    gone(mortal.demo, mortal.before)


def test_ended_by_a_signal_without_a_broker_down_tells_what_is_missing(mortal: Kept) -> None:
    (broker,) = (pid for pid, line in mortal.demo.processes().items() if "kafka.Kafka" in line)
    os.kill(broker, signal.SIGKILL)
    mortal.run(MORE_TRAFFIC)
    seen = mortal.seen()
    mortal.signal(signal.SIGTERM)
    assert mortal.demo.processes() == {}
    assert remains() - mortal.before == {str(LOCK)}  # with the ledger
    status, output = streamer_demo("--down")
    assert status == ExitCode.LOSSES
    assert counted(output)["seen by the kernel"] >= seen > 10
    assert "undelivered" in output
    gone(mortal.demo, mortal.before)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "the command is killed"]
)
def test_until_it_is_kept_it_ends_with_the_command(number: signal.Signals) -> None:
    before = remains()
    demo = Demo(("--keep",))
    demo.read_steps(2)
    demo.interrupt(number)
    status = demo.end()
    assert status == (ExitCode.INTERRUPTED if number == signal.SIGINT else -number)
    assert "Traceback" not in demo.output
    gone(demo, before)
