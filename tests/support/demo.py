# SPDX-License-Identifier: Apache-2.0
"""`streamer demo` as a process of its own, and what it could leave behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from streamer.demo.kafka import ARTEFACTS
from streamer.demo.lock import LOCK
from tests.support.requirements import require

MARK = "DEMO_TEST_MARK"
COMMAND = (sys.executable, "-m", "streamer", "demo")
GONE_S = 10.0


@dataclass
class Demo:
    """A demo in a process group of its own, like a job of a terminal's shell."""

    arguments: tuple[str, ...] = ()
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            (*COMMAND, *self.arguments),
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

    def processes(self) -> dict[int, str]:
        """Every living process that descends from the demo, with its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(folder.name)] = line
        return found


def counted(output: str) -> dict[str, int]:
    """The lines of a ledger that a demo printed."""
    lines = re.findall(r"^(\w[\w' :]+?)\s{2,}([\d,]+)\s*$", output, re.MULTILINE)
    return {label: int(count.replace(",", "")) for label, count in lines}


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
    assert left == {}
    assert remains() - before == set()


def require_what_a_demo_needs() -> None:
    """Root, and the broker."""
    require(os.geteuid() == 0, "the demo needs root")
    artefacts = Path(os.environ.get("STREAMER_KAFKA_LIBS", ARTEFACTS))
    require(any(artefacts.glob("*.jar")), "no Kafka artefacts: make var/kafka/.complete")
