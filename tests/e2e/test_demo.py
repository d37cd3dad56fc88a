# SPDX-License-Identifier: Apache-2.0
"""`streamer demo` as users run it: to its end, interrupted at any moment, killed, twice at once."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamer.demo.kafka import ARTEFACTS
from streamer.demo.stage import LOCK, SIGNALS
from streamer.errors import ExitCode
from tests.support.requirements import require, skip_unless_others_can_read

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "DEMO_TEST_MARK"
COMMAND = (sys.executable, "-m", "streamer", "demo")
STEPS = 8
GONE_S = 10.0
pytestmark = [pytest.mark.root, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass
class Demo:
    """A demo in a process group of its own, like a job of a terminal's shell."""

    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
            env=os.environ | {MARK: self.mark, "COLUMNS": "100"},
        )
        self.output = ""

    def read_steps(self, count: int) -> None:
        """Return when so many steps are done, or at the end."""
        assert self.process.stdout is not None
        while self.output.count("✓") < count and (line := self.process.stdout.readline()):
            self.output += line

    def end(self) -> int:
        output, _ = self.process.communicate(timeout=120)
        self.output += output
        return self.process.returncode

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """As a terminal does: the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def processes(self) -> list[str]:
        """Command lines of every living process that descends from the demo."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found


def remains() -> set[str]:
    """What a demo could leave beside processes; what is attached goes with its namespace."""
    named = Path("/run/netns").glob("streamer-demo-*")
    folders = Path(tempfile.gettempdir()).glob("streamer-demo-*")
    return {str(path) for path in (*named, *folders, LOCK) if path.exists()} | {
        str(path) for path in Path("/sys/class/net").iterdir()
    }


def gone(demo: Demo, before: set[str]) -> None:
    """Nothing of the demo is left."""
    deadline = time.monotonic() + GONE_S
    while (left := demo.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert remains() - before == set()


@pytest.fixture(autouse=True)
def _requirements() -> None:
    require(os.geteuid() == 0, "the demo needs root")
    artefacts = Path(os.environ.get("STREAMER_KAFKA_LIBS", ARTEFACTS))
    require(any(artefacts.glob("*.jar")), "no Kafka artefacts: make var/kafka/.complete")


@pytest.fixture
def demo() -> Iterator[Demo]:
    running = Demo()
    yield running
    running.interrupt(signal.SIGKILL)
    running.process.wait()
    assert running.process.stdout is not None
    running.process.stdout.close()


def test_it_shows_packets_and_a_closed_ledger() -> None:
    before = remains()
    start = time.monotonic()
    demo = Demo()
    status = demo.end()
    seconds = time.monotonic() - start
    assert status == ExitCode.DONE, demo.output
    assert demo.output.count("✓") == STEPS
    for title in ("busiest conversations", "one HTTP connection", "over time", "The ledger"):
        assert title in demo.output
    assert demo.output.rstrip().endswith("unaccounted 0")
    counts = {
        label: int(count.replace(",", ""))
        for label, count in re.findall(r"^(\w[\w' :]+?)\s{2,}([\d,]+)\s*$", demo.output, re.M)
    }
    assert counts["seen by the kernel"] == counts["read by ClickHouse"] > 2000
    assert demo.output.count("192.0.2.1:") > 5
    assert demo.output.count("[2001:db8::1]:") > 2
    gone(demo, before)
    assert seconds < 45


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_interrupted_at_any_moment_it_leaves_nothing(steps: int) -> None:
    before = remains()
    demo = Demo()
    demo.read_steps(steps)
    time.sleep(random.uniform(0, 1.5 if steps else 0.6))  # the moment is the test's subject
    demo.interrupt(random.choice(SIGNALS))
    for _ in range(random.randrange(3)):  # the impatient
        time.sleep(random.uniform(0, 0.3))
        demo.interrupt()
    status = demo.end()
    gone(demo, before)
    if steps == 0 and "init_import_site" in demo.output:
        return  # Python itself was still starting, and says so in its own way
    # while the program loads, a signal does what it always does
    by_signal = {-number for number in SIGNALS} if steps == 0 else set()
    assert status in {ExitCode.INTERRUPTED, ExitCode.DONE, *by_signal}, demo.output
    assert "Traceback" not in demo.output


def test_two_at_once_and_the_remains_of_a_killed_one(demo: Demo) -> None:
    before = remains()
    demo.read_steps(4)
    second = Demo()
    assert second.end() == ExitCode.FAILED
    assert "another demo is running" in second.output
    assert "Traceback" not in second.output

    demo.interrupt(signal.SIGKILL)
    demo.end()
    deadline = time.monotonic() + GONE_S
    while demo.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert demo.processes() == []  # they die with it
    third = Demo()
    third.read_steps(1)
    third.interrupt()
    assert third.end() == ExitCode.INTERRUPTED
    gone(third, {path for path in before if "streamer-demo" not in path})


def test_a_reader_that_had_enough_ends_it(demo: Demo) -> None:
    before = remains()
    demo.read_steps(1)
    assert demo.process.stdout is not None
    demo.process.stdout.close()
    assert demo.process.wait(60) == ExitCode.DONE
    gone(demo, before)


def test_without_root_it_says_so() -> None:
    skip_unless_others_can_read()
    setpriv = ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all"]
    result = subprocess.run(
        [*setpriv, *COMMAND], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == ExitCode.MISSING_PRIVILEGE
    assert "root" in result.stderr
    assert "Traceback" not in result.stderr
