# SPDX-License-Identifier: Apache-2.0
"""Real programs that talk across the demo's network for a few seconds."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from streamer.demo.processes import POLL_S, Process, program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from streamer.demo.network import Network

UPLOAD_BYTES = 6 * 1024 * 1024
PAGES = 8
REFUSED_PORT = 81
TIMEOUT_S = 20.0
CURL_COULD_NOT_CONNECT = 7


class Traffic:
    """The server of the demo's network, and all that its client asks of it."""

    def __init__(self, network: Network, folder: Path) -> None:
        self._network = network
        self._folder = folder
        self._server: Process | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def start(self) -> None:
        """Start the server; returns when it listens."""
        log = self._folder / "server.log"
        command = [sys.executable, "-m", "streamer.demo.peer"]
        server = Process("the server", command, log=log, netns=self._network.server.netns)
        await self._stack.enter_async_context(server)
        deadline = time.monotonic() + TIMEOUT_S
        while "listening" not in log.read_text():
            if server.returncode is not None or time.monotonic() > deadline:
                raise server.failure("did not start")
            await asyncio.sleep(POLL_S)

    async def run(self) -> None:
        """Let the client do everything once; returns when all of it is done."""
        ipv4, ipv6 = self._network.server.ipv4, self._network.server.ipv6
        upload = self._folder / "upload"
        upload.write_bytes(bytes(range(256)) * (UPLOAD_BYTES // 256))
        curl = [program("curl"), "--silent", "--show-error", "--output", "/dev/null"]
        ping = [program("ping"), "-n", "-q", "-i", "0.2", "-c", "15", "-w", "10"]
        udp = [sys.executable, "-m", "streamer.demo.lookups"]

        async def pages() -> None:
            for host in (ipv4, f"[{ipv6}]"):
                for page in range(PAGES):
                    await self._client([*curl, f"http://{host}/{page}"])
                    await asyncio.sleep(0.15)

        async def names() -> None:
            await self._client([*udp, "names", ipv4])
            await self._client([*udp, "names", ipv6])

        async def loads() -> None:
            await asyncio.sleep(1.0)
            await self._client([*curl, "--upload-file", str(upload), f"http://{ipv4}/upload"])
            await self._client([*curl, f"http://{ipv4}:{REFUSED_PORT}/"], CURL_COULD_NOT_CONNECT)
            await asyncio.sleep(0.5)
            await self._client([*udp, "burst", ipv6])

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pages())
            tasks.create_task(names())
            tasks.create_task(loads())
            tasks.create_task(self._client([*ping, ipv4]))
            tasks.create_task(self._client([*ping, ipv6]))

    async def _client(self, command: Sequence[str], expected: int = 0) -> None:
        name = command[0].rpartition("/")[2]
        netns = self._network.client.netns
        log = self._folder / "client.log"
        async with Process(name, command, log=log, netns=netns) as client:
            if await client.wait(TIMEOUT_S) != expected:
                raise client.failure(f"ended with status {client.returncode}")
