# SPDX-License-Identifier: Apache-2.0
"""ClickHouse as the reader of the topic: chDB, with the tables that `streamer schema` prints."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from streamer import schema
from streamer.clickhouse.client import Client
from streamer.demo.kafka import free_ports
from streamer.demo.processes import Process
from streamer.errors import StreamerError
from streamer.rest import NoAnswer
from streamer.schema.clickhouse import statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST = "127.0.0.1"
START_S = 60.0
STOP_S = 20.0
POLL_S = 0.1


class ClickHouse:
    """One ClickHouse in a child process, with its data in `folder`.

    It runs as this user and reads any file for who may ask it: other users of the machine must not,
    so what lives for more than a test has a password.
    """

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.password = password  # of the user `default`
        self._folder = folder
        self._process: Process | None = None
        self._client: Client | None = None

    @property
    def url(self) -> str:
        """Where its HTTP interface is."""
        return self._started().url

    async def start(self) -> None:
        """Start it, on the same data when it was stopped; returns when it answers."""
        if importlib.util.find_spec("chdb") is None:
            raise StreamerError(
                "ClickHouse is not installed", hint="install streamer[demo], or: make demo"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        (port,) = free_ports(HOST, 1)
        self._process = Process(
            "ClickHouse",
            [
                sys.executable,
                "-m",
                "streamer.demo.clickhouse_worker",
                str(self._folder / "data"),
                str(port),
            ],
            log=self._folder / "clickhouse.log",
            environment=os.environ | {"CLICKHOUSE_PASSWORD": self.password},
        )
        self._client = Client(f"http://{HOST}:{port}", password=self.password)
        deadline = time.monotonic() + START_S
        while True:
            try:
                await self._client.query("SELECT 1")
            except NoAnswer:
                if self._process.returncode is not None:
                    raise self._process.failure("ended") from None
                if time.monotonic() > deadline:
                    raise self._process.failure(f"did not start within {START_S:g} s") from None
                await asyncio.sleep(POLL_S)
            else:
                return

    async def query(
        self, query: str, parameters: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The rows of one statement."""
        client = self._started()
        try:
            return await client.query(query, parameters)
        except NoAnswer:
            if self._process is None:
                raise
            raise self._process.failure("ended") from None

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

    async def stop(self) -> None:
        """End it in good order: its consumers leave their group."""
        if self._process is not None:
            await self._process.stop(STOP_S)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()

    def _started(self) -> Client:
        if self._client is None:
            raise StreamerError("ClickHouse was not started")
        return self._client
