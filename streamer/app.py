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
from streamer.delivery import FileDelivery, KafkaDelivery
from streamer.errors import StreamerError
from streamer.observe import logs, report
from streamer.observe.http import StatusServer
from streamer.observe.ledger import Ledger
from streamer.observe.metrics import make_registry
from streamer.observe.notify import notify
from streamer.observe.stats import StatsRecords
from streamer.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamer.config import Settings

_REPORT_INTERVAL_S = 60.0
_PARTITIONS_TIMEOUT_S = 3.0
_CLOSING = 0.1  # part of the time to stop that is kept for closing


class Service:
    """From the hook to the broker's acknowledgement, for one run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agent_id = identity.agent_id(settings.agent.id)
        self._stats = StatsRecords(
            self._agent_id,
            identity.new_ephemeral_id(),
            settings.agent.host_name or socket.gethostname(),
        )
        self.capture = Capture(settings.capture)
        self.delivery: KafkaDelivery | FileDelivery
        if settings.output.file is None:
            self.delivery = KafkaDelivery(
                settings.kafka, on_connections_changed=self.capture.set_own_connections
            )
        else:
            self.delivery = FileDelivery(settings.output.file)
        self.http = StatusServer(
            settings.http,
            make_registry(self.ledger, lambda: self.delivery.ready),
            healthy=self.health,
            ready=self.readiness,
        )
        self._pump: Pump | None = None
        self._pipeline: Pipeline | None = None

    async def start(self) -> None:
        """Build the path and let packets in. After an error, `stop` takes down what was built."""
        self.capture.open()
        await self.delivery.start()
        to_file = isinstance(self.delivery, FileDelivery)
        self._pump = Pump(
            self.capture.ring,
            self._encoder(),
            partitions=await self._partitions(),
            framing="lines" if to_file else "kafka",
            compression="none" if to_file else self._settings.batch.compression,
            batch_bytes=self._settings.batch.bytes,
            linger_ns=self._settings.batch.linger_ms * 1_000_000,
            memory_bytes=self._settings.batch.memory_bytes,
        )
        self._pump.set_utc_offset_ns(clock.utc_offset_ns())
        self._pipeline = Pipeline(self._pump, self.delivery)
        await self.http.start()
        self._pipeline.start()
        self._pump.start()
        await self.capture.start(self._pump.set_interface)

    async def stop(self) -> Ledger:
        """Detach, drain, send what is left within the deadline; return the last ledger."""
        deadline_s = self._settings.shutdown.deadline_s * (1 - _CLOSING)
        deadline = time.monotonic() + deadline_s
        await self.capture.detach()
        if self._pump is not None and self._pipeline is not None:
            # The loop goes on moving batches meanwhile: a pump that is out of memory needs it.
            await asyncio.to_thread(self._pump.stop, deadline_s / 2)
            self._pipeline.stop()
            await self.delivery.drain(max(0.0, deadline - time.monotonic()))
        ledger = self.ledger()
        if self._pump is not None:
            self._record(ledger)
            await self.delivery.drain(max(0.0, deadline - time.monotonic()))
        await self.http.aclose()
        await self.delivery.aclose()
        self.capture.close()
        return ledger

    def tick(self) -> Ledger:
        """What happens every few seconds: the clock's offset, the ledger as an event."""
        if self._pump is not None:
            self._pump.set_utc_offset_ns(clock.utc_offset_ns())
        ledger = self.ledger()
        self._record(ledger)
        return ledger

    def _record(self, ledger: Ledger) -> None:
        """The ledger as an event."""
        if isinstance(self.delivery, KafkaDelivery):
            topic = self._settings.kafka.stats_topic
            self.delivery.send_record(topic, None, self._stats.encode(ledger))

    def ledger(self) -> Ledger:
        """Every stage's counters, read downstream first."""
        if self._pump is None:
            return Ledger()
        delivery = self.delivery.counters()
        pump = self._pump.counters()
        return Ledger(kernel=self.capture.counters(), pump=pump, delivery=delivery)

    def health(self) -> Mapping[str, str | None]:
        """What makes this process useless."""
        running = self._pump is not None and self._pump.running
        return {"pump": None if running else "the pump's thread does not run"}

    def readiness(self) -> Mapping[str, str | None]:
        """What keeps events from arriving now."""
        return {
            "capture": None if self.capture.attached else "no interface is attached",
            "delivery": None if self.delivery.ready else self.delivery.status,
        }

    def _encoder(self) -> EventEncoder:
        encode = self._settings.encode
        event_constants, constants = schema.constants() if encode.constants else (b"", b"")
        return EventEncoder(
            agent_id=self._agent_id,
            ephemeral_id=identity.new_ephemeral_id(),
            host_name=self._settings.agent.host_name,
            community_id_seed=encode.community_id_seed,
            constants=constants,
            event_constants=event_constants,
            flow_cache_bytes=encode.flow_cache_bytes,
        )

    async def _partitions(self) -> int:
        """The topic's real number if Kafka tells it soon; the configured one otherwise.

        Keys go where any other client's partitioner would put them only with the real number. A
        broker that is away must not hold the capture up for longer than this.
        """
        if isinstance(self.delivery, FileDelivery):
            return 1
        return await self.delivery.partitions(_PARTITIONS_TIMEOUT_S)


def run(settings: Settings, ledger_file: Path | None = None) -> int:
    """Capture until SIGINT or SIGTERM, print the ledger, return the exit code."""
    logs.configure(settings.log)
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
        if await _started(service, stop):
            start_line = report.start_line(settings, service.capture.attached)
            _say(start_line)
            notify(READY="1", STATUS=start_line)
            await _until_stopped(service, settings, stop)
            if not service.delivery.ready and service.ledger().undelivered:
                _say(report.stopping(settings, service.delivery.status))
    finally:
        notify(STOPPING="1")
        ledger = await service.stop()
    if sys.stderr.isatty():
        _say("")  # after the terminal's own ^C
    _say(report.summary(ledger))
    if ledger_file is not None:
        _write_ledger(ledger, ledger_file)
    return ledger.exit_code


async def _started(service: Service, stop: asyncio.Event) -> bool:
    """Start it; False when told to stop meanwhile."""
    starting = asyncio.create_task(service.start())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            return True
        return False
    finally:
        for task in (starting, stopped):
            task.cancel()
        await asyncio.wait((starting, stopped))


async def _until_stopped(service: Service, settings: Settings, stop: asyncio.Event) -> None:
    """Tick, report on a terminal, warn of losses, until told to stop or the reader went away."""
    ends = [asyncio.create_task(stop.wait())]
    if isinstance(service.delivery, FileDelivery):
        ends.append(asyncio.create_task(service.delivery.closed_pipe.wait()))
    progress, status = report.Progress(), report.Progress()  # rates of a minute, of a tick
    next_report = time.monotonic() + _REPORT_INTERVAL_S
    try:
        while True:
            ended, _ = await asyncio.wait(
                ends, timeout=settings.stats.interval_s, return_when=asyncio.FIRST_COMPLETED
            )
            if ended:
                return
            ledger = service.tick()
            progress.warn_of_losses(ledger)
            notify(STATUS=status.line(ledger, service.delivery.status))
            if sys.stderr.isatty() and time.monotonic() >= next_report:
                next_report += _REPORT_INTERVAL_S
                _say(progress.line(ledger, service.delivery.status))
    finally:
        for end in ends:
            end.cancel()


def _say(text: str) -> None:
    """Tell the user; standard output is for events."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the program's own voice


def _write_ledger(ledger: Ledger, path: Path) -> None:
    try:
        path.write_bytes(report.ledger_json(ledger))
    except OSError as error:
        raise StreamerError(
            f"cannot write the ledger to {path}: {error.strerror}",
            hint="it says the same as the summary above",
        ) from error
