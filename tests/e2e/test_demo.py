# SPDX-License-Identifier: Apache-2.0
"""`streamer demo` as users run it: to its end, interrupted at any moment, killed, twice at once."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from streamer.demo.stage import SIGNALS
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
from tests.support.requirements import skip_unless_others_can_read

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = 8
pytestmark = [pytest.mark.root, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def _requirements() -> None:
    require_what_a_demo_needs()


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
    counts = counted(demo.output)
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
    assert demo.processes() == {}  # they die with it
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
