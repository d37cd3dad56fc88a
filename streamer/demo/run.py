# SPDX-License-Identifier: Apache-2.0
"""`streamer demo`: everything started, shown and taken away again."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.demo import report
from streamer.demo.capture import Capture
from streamer.demo.clickhouse import ClickHouse
from streamer.demo.kafka import EmbeddedKafka
from streamer.demo.network import LINK, PREFIX, Network
from streamer.demo.progress import Screen, Steps
from streamer.demo.stage import Interrupts, exclusive, remove, require_root, sweep
from streamer.demo.traffic import Traffic
from streamer.errors import ExitCode, StreamerError
from streamer.schema import PACKETS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rich.console import Console

READ_S = 60.0


def command() -> int:
    """Run the demo; the exit code."""
    require_root()
    interrupts = Interrupts()
    interrupts.catch()
    try:
        with exclusive():
            sweep()
            return asyncio.run(_demo(Screen(), interrupts))
    except (asyncio.CancelledError, StreamerError):
        # a program that was interrupted may have failed for that reason
        if not interrupts.happened:
            raise
        return ExitCode.INTERRUPTED
    finally:
        interrupts.ignore()


async def _demo(console: Console, interrupts: Interrupts) -> int:
    async with AsyncExitStack() as remains:
        with interrupts.cancelling():
            return await _perform(console, remains)


async def _perform(console: Console, remains: AsyncExitStack) -> int:
    """One demo; what it makes is first noted in `remains`."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    remains.callback(remove, folder)
    network = Network(str(os.getpid()))
    remains.callback(network.remove)
    traffic = await remains.enter_async_context(Traffic(network, folder))
    kafka = EmbeddedKafka(folder / "kafka")
    remains.callback(kafka.kill)
    database = ClickHouse(folder / "clickhouse")
    remains.callback(database.kill)
    capture = Capture(folder)
    remains.callback(capture.kill)

    steps = Steps(console)
    with steps.shown():

        async def start_kafka() -> None:
            with steps.step("starting a Kafka broker", "a Kafka broker runs"):
                await kafka.start()

        async def start_database() -> None:
            with steps.step("starting ClickHouse", "ClickHouse runs"):
                await database.start()

        async def start_network() -> None:
            with steps.step("making the network", "two network namespaces are joined"):
                network.create()
                await traffic.start()

        await _together(start_kafka(), start_database(), start_network())
        broker = kafka.bootstrap_servers
        attached = f"streamer run -i {LINK} --kafka {broker} captures"
        with steps.step("starting streamer run", attached):
            await capture.start(network.client.netns, broker)
        with steps.step("creating ClickHouse's tables", "ClickHouse reads from Kafka"):
            await database.read_topic(PACKETS.name, broker)
        talked = "web pages, DNS, ping, an upload, a refused connection, a UDP burst"
        with steps.step("letting programs talk", talked):
            await traffic.run()
        with steps.step("ending streamer run", "streamer run has sent everything and ended"):
            ledger = await capture.stop()
        acknowledged = ledger["records"]["acknowledged"]
        with steps.step("waiting for ClickHouse", "ClickHouse has read everything"):
            rows = await database.wait_for_rows(f"streamer.{PACKETS.table}", acknowledged, READ_S)
    await report.show(console, database, ledger, rows)
    (events,) = await database.query(report.DISTINCT_EVENTS)
    if not rows == events["n"] == acknowledged:
        raise StreamerError(
            f"{acknowledged} events were acknowledged, ClickHouse has {rows} rows"
            f" of {events['n']} events"
        )
    complete = not (ledger["lost"] or ledger["undelivered"] or ledger["unaccounted"])
    return ExitCode.DONE if complete else ExitCode.LOSSES


async def _together(*jobs: Coroutine[None, None, None]) -> None:
    """Run all at once; when one fails, end the others and raise its error."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for job in jobs:
                tasks.create_task(job)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
