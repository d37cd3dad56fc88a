# SPDX-License-Identifier: Apache-2.0
"""`streamer demo`: everything started, shown and taken away again."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.demo import report
from streamer.demo.capture import Capture
from streamer.demo.clickhouse import ClickHouse
from streamer.demo.kafka import EmbeddedKafka
from streamer.demo.network import LINK, PREFIX, Network
from streamer.demo.progress import Steps
from streamer.demo.stage import on_stage, remove
from streamer.demo.traffic import Traffic
from streamer.errors import ExitCode, StreamerError
from streamer.schema import PACKETS

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from rich.console import Console

    from streamer.demo.lock import Lock
    from streamer.demo.stage import Interrupts

TABLE = f"streamer.{PACKETS.table}"
READ_S = 60.0


def command() -> int:
    """Run the demo; the exit code."""
    return on_stage(_demo)


async def _demo(console: Console, interrupts: Interrupts, lock: Lock) -> int:
    del lock
    async with AsyncExitStack() as remains:
        with interrupts.cancelling():
            ledger, _ = await Parts(remains).tour(console)
            return ExitCode.LOSSES if report.shortfall(ledger) else ExitCode.DONE


class Parts:
    """What a demo consists of; what each part makes is taken away with `remains`."""

    def __init__(self, remains: AsyncExitStack, broker: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        remains.callback(remove, self.folder)
        self.network = Network(str(os.getpid()))
        remains.callback(self.network.remove)
        self.traffic = Traffic(self.network, self.folder)
        remains.push_async_exit(self.traffic)
        self.kafka = EmbeddedKafka(self.folder / "kafka", properties=broker)
        remains.callback(self.kafka.kill)
        self.database = ClickHouse(self.folder / "clickhouse", password=secrets.token_urlsafe(12))
        remains.callback(self.database.kill)
        self.capture = Capture(self.folder)
        remains.callback(self.capture.kill)

    async def tour(self, console: Console) -> tuple[dict[str, Any], int]:
        """Start every part, let programs talk, and show it all; the ledger and the rows read."""
        steps = Steps(console)
        with steps.shown():

            async def start_kafka() -> None:
                with steps.step("starting a Kafka broker", "a Kafka broker runs"):
                    await self.kafka.start()

            async def start_database() -> None:
                with steps.step("starting ClickHouse", "ClickHouse runs"):
                    await self.database.start()

            async def start_network() -> None:
                with steps.step("making the network", "two network namespaces are joined"):
                    self.network.create()
                    await self.traffic.start()

            await _together(start_kafka(), start_database(), start_network())
            await self.start_capture(steps)
            with steps.step("creating ClickHouse's tables", "ClickHouse reads from Kafka"):
                await self.database.read_topic(PACKETS.name, self.kafka.bootstrap_servers)
            talked = "web pages, DNS, ping, an upload, a refused connection, a UDP burst"
            with steps.step("letting programs talk", talked):
                await self.traffic.run()
            with steps.step("ending streamer run", "streamer run has sent everything and ended"):
                ledger = await self.capture.stop()
            acknowledged: int = ledger["records"]["acknowledged"]
            with steps.step("waiting for ClickHouse", "ClickHouse has read everything"):
                rows = await self.database.wait_for_rows(TABLE, acknowledged, READ_S)
        await report.show(console, self.database, ledger, rows)
        (events,) = await self.database.query(report.DISTINCT_EVENTS)
        if not rows == events["n"] == acknowledged:
            raise StreamerError(
                f"{acknowledged} events were acknowledged, ClickHouse has {rows} rows"
                f" of {events['n']} events"
            )
        return ledger, rows

    async def start_capture(self, steps: Steps) -> None:
        """Start `streamer run` at the client's end of the cable."""
        broker = self.kafka.bootstrap_servers
        attached = f"streamer run -i {LINK} --kafka {broker} captures"
        with steps.step("starting streamer run", attached):
            await self.capture.start(self.network.client.netns, broker)


async def _together(*jobs: Coroutine[None, None, None]) -> None:
    """Run all at once; when one fails, end the others and raise its error."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for job in jobs:
                tasks.create_task(job)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
