# SPDX-License-Identifier: Apache-2.0
"""`streamer run`, as any user starts it, as a child of the demo."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from streamer.demo.kafka import free_ports
from streamer.demo.network import LINK
from streamer.demo.processes import POLL_S, Process
from streamer.errors import ExitCode, StreamerError

if TYPE_CHECKING:
    from pathlib import Path

READY_S = 30.0
STOP_S = 20.0
HOST = "127.0.0.1"


class Capture:
    """Captures one interface of a namespace into Kafka."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ledger = folder / "ledger.json"
        self._process: Process | None = None
        self._port = 0

    @property
    def metrics(self) -> str:
        """The address of its counters, once it was started."""
        return f"http://{HOST}:{self._port}/metrics"

    async def start(self, netns: Path, broker: str) -> None:
        """Start it, also again; returns when it is attached and the broker takes records."""
        (self._port,) = free_ports(HOST, 1)
        configuration = self._folder / "streamer.toml"
        configuration.write_text(f"[http]\nhost = {json.dumps(HOST)}\nport = {self._port}\n")
        options = {
            "--config": str(configuration),
            "--interface": LINK,
            "--netns": str(netns),
            "--kafka": broker,
            "--ledger": str(self._ledger),
        }
        self._process = Process(
            "streamer run",
            [sys.executable, "-m", "streamer", "run", *(x for o in options.items() for x in o)],
            log=self._folder / "streamer.log",
            # the user's settings are for the user's runs
            environment={k: v for k, v in os.environ.items() if not k.startswith("STREAMER_")},
        )
        deadline = time.monotonic() + READY_S
        while not await _is_ready(self._port):
            if self._process.returncode is not None:
                raise self._process.failure(f"ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._process.failure(f"was not ready within {READY_S:g} s")
            await asyncio.sleep(POLL_S)

    async def stop(self) -> dict[str, Any]:
        """End it as Ctrl-C would; the ledger of its run."""
        if self._process is None:
            raise StreamerError("streamer run was not started")
        status = await self._process.stop(STOP_S, signal.SIGINT)
        if status not in {ExitCode.DONE, ExitCode.LOSSES}:
            raise self._process.failure(f"ended with status {status}")
        ledger: dict[str, Any] = json.loads(self._ledger.read_text())
        return ledger

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()


async def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"GET /readyz HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
            status = await reader.readline()
        finally:
            writer.close()
        return status.split()[1:2] == [b"200"]
    return False
