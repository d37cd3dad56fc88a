# SPDX-License-Identifier: Apache-2.0
"""`streamer run` as a process of its own, and what it says, counts and answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, nullcontext
from typing import IO, TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from streamer.demo.kafka import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.support.netns import Namespace

STARTED = "streamer: capturing on"
START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 20.0  # the deadline of a shutdown is 10 s
READY = 200


class Service:
    """One run. Its status port is free, and its ledger goes to a file."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        inside: Namespace | None = None,
        prefix: tuple[str, ...] = (),
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._inside = inside
        self.ledger_file = folder / "ledger.json"
        self.said: list[str] = []
        (self.port,) = free_ports("127.0.0.1", 1)
        environment = {"STREAMER_HTTP__PORT": str(self.port)}
        for key, value in (settings or {}).items():  # "section.key"
            environment["STREAMER_" + key.upper().replace(".", "__")] = str(value)
        enter = inside.enter if inside is not None else []
        command = [*enter, *prefix, sys.executable, "-P", "-m", "streamer", "run"]
        self.process = subprocess.Popen(
            [*command, "--ledger", str(self.ledger_file), *arguments],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.said.append(line.rstrip("\n"))

    # ---------------------------------------------------------------- what it says
    @property
    def text(self) -> str:
        """Everything on standard error until now."""
        return "\n".join(self.said)

    def logged(self) -> list[dict[str, Any]]:
        """The log's messages among it."""
        return [json.loads(line) for line in list(self.said) if line.startswith("{")]

    def wait_for(self, text: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """The first line that contains this."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.process.poll() is not None and not self._reader.is_alive()
            for line in list(self.said):
                if text in line:
                    return line
            assert not ended, f"it ended with {self.process.returncode}:\n{self.text}"
            assert time.monotonic() < deadline, f"it did not say {text!r}:\n{self.text}"
            time.sleep(0.01)

    def started(self) -> str:
        """The start line, when it captures."""
        return self.wait_for(STARTED)

    # ---------------------------------------------------------------- what it answers
    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with self._inside.entered() if self._inside is not None else nullcontext():
            try:
                with urllib.request.urlopen(url, timeout=5) as response:
                    return response.status, response.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

    def readiness(self) -> tuple[bool, dict[str, str]]:
        """Whether /readyz is green, and each check's word."""
        status, body = self.get("/readyz")
        answer = json.loads(body)
        assert answer["ok"] == (status == READY)
        return answer["ok"], answer["checks"]

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Each sample, by its name and the values of its labels."""
        _, body = self.get("/metrics")
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        }

    def seen(self) -> int:
        """Packets that the hooks have seen until now."""
        return sum_of(self.metrics(), "streamer_packets_seen_total")

    def acknowledged(self) -> int:
        """Events that have arrived until now."""
        return sum_of(self.metrics(), "streamer_records_acknowledged_total")

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
        """Poll while it runs."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, f"it ended:\n{self.text}"
            assert time.monotonic() < deadline, f"waited for {what}:\n{self.text}"
            time.sleep(0.02)

    def until_ready(self, timeout_s: float = 20.0) -> None:
        """Until /readyz is green."""
        self.until(lambda: self.readiness()[0], "it to be ready", timeout_s)

    # ---------------------------------------------------------------- how it ends
    def end(self, number: int = signal.SIGTERM, timeout_s: float = END_TIMEOUT_S) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """The exit code, when it ends; everything is said by then."""
        code = self.process.wait(timeout_s)
        self._reader.join(5)
        assert "Traceback" not in self.text, self.text
        return code

    def kill(self) -> None:
        """End it whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def ledger(self) -> dict[str, Any]:
        """The ledger file; both ledgers must close."""
        ledger: dict[str, Any] = json.loads(self.ledger_file.read_text())
        packets, records = ledger["packets"], ledger["records"]
        assert packets["seen"] == (
            packets["filtered"]["self"] + packets["dropped"]["ring_full"] + packets["emitted"]
        )
        assert packets["emitted"] == records["emitted"] == records["in_ring"] + records["drained"]
        assert records["drained"] == sum(records["rejected"].values()) + records["encoded"]
        stages = ("open", "sealed", "queued", "in_flight", "acknowledged")
        assert records["encoded"] == sum(records[stage] for stage in stages) + sum(
            records["failed"].values()
        )
        assert ledger["unaccounted"] == ledger["pump"]["sequence_gaps"] == 0
        assert "unaccounted 0" in self.text
        return ledger


def sum_of(metrics: Mapping[tuple[str, ...], float], name: str) -> int:
    """All samples of a metric together."""
    return int(sum(value for key, value in metrics.items() if key[0] == name))


@contextmanager
def service(folder: Path, *arguments: str, **options: Any) -> Iterator[Service]:
    """Start it; it is killed at the end if it has not ended."""
    running = Service(folder, *arguments, **options)
    try:
        yield running
    finally:
        running.kill()
