# SPDX-License-Identifier: Apache-2.0
"""ClickHouse as the reader of the topic: chDB, with the tables that `streamer schema` prints."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import orjson

from streamer import schema
from streamer.demo.processes import Process
from streamer.errors import StreamerError
from streamer.schema.clickhouse import statements

if TYPE_CHECKING:
    from pathlib import Path

ANSWER_BYTES = 64 * 1024 * 1024
START_S = 60.0
POLL_S = 0.1


class ClickHouse:
    """One ClickHouse in a child process, with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        if importlib.util.find_spec("chdb") is None:
            raise StreamerError(
                "ClickHouse is not installed", hint="install streamer[demo], or: make demo"
            )
        ours, theirs = socket.socketpair()
        self._folder.mkdir(parents=True, exist_ok=True)
        with theirs:
            self._process = Process(
                "ClickHouse",
                [
                    sys.executable,
                    "-m",
                    "streamer.demo.clickhouse_worker",
                    str(self._folder / "data"),
                    str(theirs.fileno()),
                ],
                log=self._folder / "clickhouse.log",
                pass_fds=(theirs.fileno(),),
            )
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=ANSWER_BYTES)
        async with asyncio.timeout(START_S):
            await self.query("SELECT 1")

    async def query(self, query: str) -> list[dict[str, Any]]:
        """The rows of one statement."""
        if self._process is None or self._reader is None or self._writer is None:
            raise StreamerError("ClickHouse was not started")
        self._writer.write(orjson.dumps(query) + b"\n")
        line = b""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
            line = await self._reader.readline()
        if not line:
            raise self._process.failure("ended")
        answer = orjson.loads(line)
        if "error" in answer:
            raise StreamerError(f"ClickHouse: {answer['error']}")
        rows: list[dict[str, Any]] = answer["rows"]
        return rows

    async def read_topic(self, topic: str, broker: str) -> None:
        """Create the shipped tables and views for a topic; reading begins at once."""
        for statement in statements(schema.render("clickhouse", topic, broker=broker)):
            await self.query(statement)

    async def wait_for_rows(self, table: str, rows: int, timeout_s: float) -> int:
        """Wait until the table has that many rows; what it has then, or in the end."""
        deadline = time.monotonic() + timeout_s
        while True:
            (count,) = await self.query(f"SELECT toUInt32(count()) AS n FROM {table}")  # noqa: S608
            if count["n"] >= rows or time.monotonic() > deadline:
                return int(count["n"])
            await asyncio.sleep(POLL_S)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
        if self._writer is not None:
            self._writer.close()
