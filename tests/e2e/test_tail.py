# SPDX-License-Identifier: Apache-2.0
"""`streamer tail` on a real Kafka: in a terminal, into a pipe, to its end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyte
import pytest

from streamer.schema import STATS
from tests.support.producing import document, produce, text
from tests.support.topics import make_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamer.demo.kafka import EmbeddedKafka

pytestmark = pytest.mark.kafka
COMMAND = [sys.executable, "-m", "streamer", "tail"]
INTERRUPTED = 130


@pytest.fixture
def servers(kafka: EmbeddedKafka, topic: str) -> str:
    """A broker that has the test's topic, with one partition."""
    make_topic(kafka.bootstrap_servers, topic, 1)
    return kafka.bootstrap_servers


def tail(
    servers: str, topic: str, *arguments: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; nobody stops it."""
    return subprocess.run(
        [*COMMAND, topic, "--kafka", servers, *arguments],
        capture_output=True, text=True, timeout=40, check=False, **options,
    )  # fmt: skip


def send(servers: str, topic: str, *documents: dict[str, Any]) -> None:
    produce(servers, topic, [(0, text(each)) for each in documents])


# ---------------------------------------------------------------- into a pipe
def test_json_is_the_records_and_a_filter_chooses(servers: str, topic: str) -> None:
    resets = {"tcp": {"flags": ["rst", "ack"], "seq": 1}}
    sent = [
        document(0),
        document(1, packet=resets),
        document(2, packet=resets, source={"ip": "10.1.2.3"}),
        document(3, source={"ip": "10.1.2.3"}),
        document(4, packet=resets, source={"ip": "10.255.0.1"}),
    ]
    pretty = json.dumps(sent[4], indent=2).encode()
    produce(servers, topic, [*((0, text(each)) for each in sent[:4]), (0, pretty)])
    done = tail(servers, topic, "--json", "--from", "start", "-n", "5")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:4] == [text(each).decode() for each in sent[:4]]  # byte for byte
    assert [json.loads(line) for line in lines] == sent
    chosen = "source.ip in 10.0.0.0/8 and packet.tcp.flags has rst"
    done = tail(servers, topic, "--json", "--from", "start", "-n", "2", "-w", chosen)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [sent[2], sent[4]]


def test_columns_in_a_pipe_are_plain_and_aligned(servers: str, topic: str) -> None:
    send(servers, topic, document(0), document(1, source={"ip": "10.0.0.1"}))
    done = tail(servers, topic, "--from", "start", "-n", "2")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.split()[:6] == ["11-23", "10:00:00.000000", "in", "eth0", "192.0.2.1:49152", "→"]
    assert first.index("→") == second.index("→")
    assert "\x1b" not in done.stdout


def test_from_a_time(kafka: EmbeddedKafka, topic: str) -> None:
    """The time that counts is when Kafka took the record, as in topics that streamer makes."""
    servers = kafka.bootstrap_servers
    make_topic(servers, topic, 1, {"message.timestamp.type": "LogAppendTime"})
    send(servers, topic, document(0))
    time.sleep(0.01)  # the next millisecond is another time
    between = datetime.now(UTC).isoformat()
    send(servers, topic, document(1))

    def first(*arguments: str) -> int:
        done = tail(servers, topic, "--json", "-n", "1", *arguments)
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["event"]["sequence"])

    assert first("--from", between) == 1
    assert first("--from", "-5m") == 0
    assert first("--from", "2020-01-01") == 0


def test_losses_are_told_at_the_end(servers: str, topic: str) -> None:
    good = [(0, text(document(number))) for number in (0, 1, 2, 5, 5)]
    produce(
        servers, topic, [*good, (0, b"not json"), (0, b"{}"), (0, None), (0, text(document(6)))]
    )
    done = tail(servers, topic, "--json", "--from", "start", "-n", "5")
    assert done.returncode == 0
    assert [json.loads(line)["event"]["sequence"] for line in done.stdout.splitlines()] == [
        0,
        1,
        2,
        5,
        6,
    ]
    assert done.stderr.splitlines() == [
        "streamer: left out: 1 record that is not JSON, 1 record that is not an event,"
        " 1 empty record, 1 duplicate",
        "streamer: missing by their sequence, or still on their way: 2 events",
    ]


def test_head_ends_it_quietly(servers: str, topic: str) -> None:
    send(servers, topic, *(document(number) for number in range(50)))
    script = f"{' '.join(COMMAND)} {topic} --kafka {servers} --from start --json | head -n 3"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


def test_statistics_have_their_own_columns(servers: str, topic: str) -> None:
    """Also in a topic of another name, which the settings know to be that of statistics."""
    values: dict[str, Any] = {"keyword": "run-1", "date_nanos": "2026-11-23T10:00:05.000000001Z"}
    values["counts"] = {}
    record: dict[str, Any] = {}
    for place, field in enumerate(each for each in STATS.fields if each.required):
        node = record
        for name in field.path[:-1]:
            node = node.setdefault(name, {})
        node[field.path[-1]] = values.get(field.type, 1000 + place)
    record["event"]["sequence"] = 0
    send(servers, topic, record)
    named = os.environ | {"STREAMER_KAFKA__STATS_TOPIC": topic}
    options = ("--from", "start", "-n", "1", "-w", "ledger.lost > 0")
    done = tail(servers, topic, *options, env=named)
    assert (done.returncode, done.stderr) == (0, "")
    packets, records = record["ledger"]["packets"], record["ledger"]["records"]
    assert done.stdout.split() == [
        "11-23", "10:00:05.000000", "run-1",
        f"{packets['seen']:,}", f"{packets['filtered']['self']:,}",
        f"{packets['dropped']['ring_full']:,}", f"{records['encoded']:,}",
        f"{records['acknowledged']:,}", f"{record['ledger']['undelivered']:,}",
        f"{record['ledger']['lost']:,}", f"{record['ledger']['unaccounted']:,}",
    ]  # fmt: skip


# ---------------------------------------------------------------- what can't be read
def test_without_a_broker_or_a_topic(servers: str, topic: str, unused_tcp_port: int) -> None:
    done = tail(f"127.0.0.1:{unused_tcp_port}", topic)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"streamer: Kafka at 127.0.0.1:{unused_tcp_port} can't be used: connection refused\n"
    )
    done = tail(servers, f"{topic}.absent")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no topic {topic}.absent" in done.stderr


def test_a_broker_that_goes_and_comes_back(mortal_kafka: EmbeddedKafka) -> None:
    import asyncio

    asyncio.run(mortal_kafka.start())
    servers = mortal_kafka.bootstrap_servers
    make_topic(servers, "t", 1)
    with Terminal(servers, "t") as terminal:
        terminal.until(lambda: "time (UTC)" in terminal.screen.display[0])
        mortal_kafka.kill()
        terminal.until(lambda: "still trying" in terminal.text)
        asyncio.run(mortal_kafka.start())
        terminal.until(lambda: "Kafka answers again" in terminal.text)
        send(servers, "t", document(0))
        terminal.until(lambda: "192.0.2.1:49152" in terminal.text)
        assert terminal.interrupt() == INTERRUPTED


# ---------------------------------------------------------------- in a terminal
class Terminal:
    """`streamer tail` on a pseudo-terminal, and what a person sees there."""

    def __init__(
        self,
        servers: str,
        topic: str,
        *arguments: str,
        columns: int = 130,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, 30)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._master, child = pty.openpty()
        self.resize(columns)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *COMMAND, topic, "--kafka", servers, *arguments],
            stdin=child, stdout=child, stderr=child,
            env=os.environ | {"TERM": "xterm-256color"} | (environment or {}),
        )  # fmt: skip
        os.close(child)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def resize(self, columns: int) -> None:
        """What a window manager does."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", 30, columns, 0, 0))
        self.screen.resize(30, columns)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def lines(self) -> list[str]:
        """The rows that have something."""
        return [row.rstrip() for row in self.screen.display if row.strip()]

    def read(self, timeout_s: float) -> bool:
        """Take in what it prints; False at its end."""
        ready, _, _ = select.select([self._master], [], [], timeout_s)
        if ready:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return False
            self.raw += data
            self._stream.feed(data)
        return True

    def until(self, condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
        """Read until it holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, self.text
            assert self.read(0.1), self.text

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit code."""
        os.write(self._master, b"\x03")
        deadline = time.monotonic() + 15
        while self.read(0.1) and time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.read(0)
                break
        assert "Traceback" not in self.text
        return self.process.wait(5)


SEGMENTS = (
    document(0, packet={"tcp": {"flags": ["syn"], "seq": 1}}),
    document(1, source={"ip": "2001:db8:1234:5678:9abc:def0:1234:5678"}, packet={"length": 60}),
    document(2, packet={"tcp": {"flags": ["rst", "ack"], "seq": 1}}),
    document(3, network={"transport": "udp"}, source={"ip": "10.0.0.1", "port": 53}),
)


def test_aligned_and_coloured(servers: str, topic: str) -> None:
    send(servers, topic, *SEGMENTS)
    with Terminal(servers, topic, "--from", "start", columns=160) as terminal:
        terminal.until(lambda: len(terminal.lines()) == 5)
        header, first, second, third, fourth = terminal.lines()
        assert header.split()[:2] == ["time", "(UTC)"]
        # the long address widened its column for what comes after it
        assert second.index("→") == third.index("→") == fourth.index("→") > first.index("→")
        assert third.index("tcp") == fourth.index("udp")
        row = terminal.screen.buffer[3]  # the third event
        assert row[third.index("rst")].fg == "red"
        assert row[third.index("tcp")].fg == "cyan"
        assert terminal.screen.buffer[1][first.index("syn")].fg == "green"
        assert terminal.interrupt() == INTERRUPTED


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_refused(servers: str, topic: str, environment: dict[str, str]) -> None:
    send(servers, topic, *SEGMENTS)
    with Terminal(servers, topic, "--from", "start", environment=environment) as terminal:
        terminal.until(lambda: "rst ack" in terminal.text)
        assert b"\x1b" not in terminal.raw


def test_narrow_and_resized(servers: str, topic: str) -> None:
    """A line never takes two rows, whatever the width is meanwhile."""
    send(servers, topic, *SEGMENTS)
    with Terminal(servers, topic, "--from", "start", columns=40) as terminal:
        terminal.until(lambda: len(terminal.lines()) == 5)
        assert all(line.startswith("11-23 10:00:00.00") for line in terminal.lines()[1:])
        terminal.resize(70)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        send(servers, topic, document(4))
        terminal.until(lambda: "10:00:00.004" in terminal.text)
        assert len(terminal.lines()) == 6
        assert len(terminal.lines()[-1]) > 40
        assert terminal.interrupt() == INTERRUPTED


def test_a_record_cannot_command_the_terminal(servers: str, topic: str) -> None:
    evil = {"interface": {"name": "\x1b[2J\x1b]0;owned\x07\u202eeth\x9b31m"}}
    send(servers, topic, document(0, observer={"ingress": evil}))
    with Terminal(servers, topic, "--from", "start", environment={"NO_COLOR": "1"}) as terminal:
        terminal.until(lambda: "192.0.2.1:49152" in terminal.text)
        for bad in (b"\x1b", b"\x07", "\u202e".encode(), "\x9b".encode()):
            assert bad not in terminal.raw
        assert "]0;owned" in terminal.text
