# SPDX-License-Identifier: Apache-2.0
"""The service: builds the path of a packet, runs it until it is told to stop, takes it down.

`Service` is the picture of docs/ARCHITECTURE.md in code. It starts from the reader's end, so that
nothing arrives where nobody listens, and stops from the packet's end, so that nothing is left on
the way: detach, drain, send, report.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import uvloop

from hotpath.json_encoder import EventEncoder
from hotpath.pump import Pump
from streamer import clock, identity, schema
from streamer.capture.capture import Capture
from streamer.delivery import Delivery, FileDelivery, KafkaDelivery
from streamer.errors import ExitCode, StreamerError
from streamer.observe import logs, report
from streamer.observe.http import HttpServer
from streamer.observe.ledger import Ledger
from streamer.observe.stats import StatsRecords
from streamer.pipeline import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from streamer.config import Settings

_REPORT_INTERVAL_S = 60.0
_log = logs.get_logger("streamer")


class Service:
    """From the hook to the broker's acknowledgement, for one run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agent_id = identity.agent_id(settings.agent.id)
        self._host_name = settings.agent.host_name or socket.gethostname()
        self.capture = Capture(settings.capture)
        self.delivery = self._destination()
        self.http = HttpServer(settings.http, self.ledger, self.problems)
        self._stats = StatsRecords(self._agent_id, self._host_name)
        self.pump: Pump | None = None
        self.pipeline: Pipeline | None = None

    def _destination(self) -> Delivery:
        if self._settings.output.file is not None:
            return FileDelivery(self._settings.output.file)
        return KafkaDelivery(
            self._settings.kafka, on_connections_changed=self.capture.set_own_connections
        )

    async def start(self) -> None:
        """Build the path and let packets in. Raises StreamerError with nothing left attached."""
        settings = self._settings
        self.capture.open()
        to_file = settings.output.file is not None
        event_constants, constants = schema.constants() if settings.encode.constants else (b"", b"")
        encoder = EventEncoder(
            agent_id=self._agent_id,
            ephemeral_id=identity.new_ephemeral_id(),
            host_name=self._host_name,
            community_id_seed=settings.encode.community_id_seed,
            constants=constants,
            event_constants=event_constants,
            flow_cache_bytes=settings.encode.flow_cache_bytes,
        )
        self.pump = Pump(
            self.capture.ring,
            encoder,
            partitions=1 if to_file else settings.kafka.partitions,
            framing="lines" if to_file else "kafka",
            compression=settings.batch.compression,
            batch_bytes=settings.batch.bytes,
            linger_ns=settings.batch.linger_ms * 1_000_000,
            memory_bytes=settings.batch.memory_bytes,
        )
        self.pump.set_utc_offset_ns(clock.utc_offset_ns())
        self.pipeline = Pipeline(self.pump, self.delivery)

        await self.delivery.start()
        await self.http.start()
        self.pipeline.start()
        self.pump.start()
        await self.capture.start(self.pump.set_interface)

    async def stop(self) -> Ledger:
        """Detach, drain, send what is left within the deadline; return the last ledger."""
        deadline = time.monotonic() + self._settings.shutdown.deadline_s
        await self.capture.detach()
        if self.pump is not None and self.pipeline is not None:
            # The loop goes on moving batches meanwhile: a paused pump needs memory to drain.
            await asyncio.to_thread(self.pump.stop, self._settings.shutdown.deadline_s / 2)
            self.pipeline.stop()
            await self.delivery.drain(max(0.0, deadline - time.monotonic()))
        ledger = self.ledger()
        await self.http.aclose()
        await self.delivery.aclose()
        self.capture.close()
        return ledger

    async def tick(self) -> Ledger:
        """What happens every few seconds: the clock's offset, the ledger as an event."""
        assert self.pump is not None
        self.pump.set_utc_offset_ns(clock.utc_offset_ns())
        ledger = self.ledger()
        if isinstance(self.delivery, KafkaDelivery):
            self.delivery.send_record(
                self._settings.kafka.stats_topic, None, self._stats.encode(ledger)
            )
        return ledger

    def ledger(self) -> Ledger:
        """Every stage's counters, read downstream first."""
        if self.pump is None:
            return Ledger()
        delivery = self.delivery.counters()
        pump = self.pump.counters()
        return Ledger(kernel=self.capture.counters(), pump=pump, delivery=delivery)

    def problems(self) -> list[str]:
        """Why events would not arrive now; empty when ready."""
        found = []
        if not self.capture.attached:
            found.append("no interface is attached")
        if not self.delivery.ready:
            found.append(self.delivery.status)
        return found


def run(settings: Settings, ledger_file: Path | None = None) -> int:
    """Capture until SIGINT or SIGTERM, print the ledger, return the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, ledger_file))


async def _run(settings: Settings, ledger_file: Path | None) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def stop_once() -> None:
        # The next signal is the default one: it ends the process, and the kernel detaches.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop_once)

    service = Service(settings)
    try:
        await service.start()
        say(report.start_line(settings, service.capture.attached))
        await _until_stopped(service, settings, stop)
    finally:
        ledger = await service.stop()
    say(report.summary(ledger))
    if ledger_file is not None:
        write_ledger(ledger, ledger_file)
    return ledger.exit_code


async def _until_stopped(service: Service, settings: Settings, stop: asyncio.Event) -> None:
    """Tick, report on a terminal, warn of losses, until told to stop or the reader went away."""
    ended = asyncio.create_task(stop.wait())
    closed = asyncio.create_task(service.delivery.closed())
    progress = report.Progress()
    next_report = time.monotonic() + _REPORT_INTERVAL_S
    try:
        while not (ended.done() or closed.done()):
            await asyncio.wait(
                (ended, closed),
                timeout=settings.stats.interval_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            ledger = await service.tick()
            progress.warn_of_losses(ledger)
            if sys.stderr.isatty() and time.monotonic() >= next_report:
                next_report += _REPORT_INTERVAL_S
                say(progress.line(ledger, service.delivery.status))
    finally:
        ended.cancel()
        closed.cancel()


def say(text: str) -> None:
    """Tell the user; standard output is for events."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the program's own voice


def write_ledger(ledger: Ledger, path: Path) -> None:
    """Write the ledger as JSON."""
    try:
        path.write_bytes(report.ledger_json(ledger))
    except OSError as error:
        raise StreamerError(
            f"cannot write the ledger to {path}: {error.strerror}",
            hint="the ledger above is the same",
        ) from error
