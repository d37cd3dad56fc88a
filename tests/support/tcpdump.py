# SPDX-License-Identifier: Apache-2.0
"""A tcpdump beside the capture under test: another witness of the same packets."""

from __future__ import annotations

import signal
import struct
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING

from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.netns import Namespace

DEADLINE_S = 10.0


@dataclass(frozen=True)
class Tcpdump:
    """A running tcpdump that writes to `path`."""

    path: Path
    process: subprocess.Popen[str]

    def count(self) -> int:
        """Whole packets in the file so far."""
        data = self.path.read_bytes() if self.path.exists() else b""
        offset, packets = 24, 0
        while offset + 16 <= len(data):
            offset += 16 + struct.unpack_from("=I", data, offset + 8)[0]
            packets += offset <= len(data)
        return packets

    def wait_for(self, packets: int) -> None:
        """Wait until that many were written, no more and no fewer."""
        end = time.monotonic() + DEADLINE_S
        while self.count() < packets:
            assert time.monotonic() < end, f"tcpdump has {self.count()} of {packets} packets"
            time.sleep(0.02)
        assert self.count() == packets


@contextmanager
def tcpdump(
    namespace: Namespace,
    interface: str,
    path: Path,
    direction: str = "inout",
    expression: str = "",
) -> Iterator[Tcpdump]:
    """Run tcpdump; when the body begins it is listening."""
    require(which("tcpdump") is not None, "tcpdump is not installed")
    command = [*namespace.enter, "tcpdump", "-Z", "root", "-n", "-i", interface]
    command += [
        "-Q",
        direction,
        "-U",
        "--immediate-mode",
        "-B",
        "65536",
        "-s",
        "0",
        "-w",
        str(path),
    ]
    command += expression.split()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if "listening on" in line:
                    break
            else:
                raise AssertionError("tcpdump did not start")
            yield Tcpdump(path, process)
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=DEADLINE_S)
    assert "0 packets dropped by kernel" in said, said
