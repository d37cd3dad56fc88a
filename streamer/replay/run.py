# SPDX-License-Identifier: Apache-2.0
"""`streamer replay`: capture files in, events out, and what became of each packet."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from streamer.errors import CaptureError, DeliveryError, ExitCode, UsageError
from streamer.observe import logs, report
from streamer.observe.counters import DeliveryCounters
from streamer.observe.ledger import Ledger
from streamer.replay import kafka
from streamer.replay.engine import Engine, ephemeral_id
from streamer.replay.reader import CaptureFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hotpath.sealed_batch import SealedBatch
    from streamer.config import Settings
    from streamer.replay.source import Packet

_STANDARD_OUTPUT = Path("-")


def command(files: Sequence[Path], settings: Settings, ledger_file: Path | None) -> ExitCode:
    """Replay the files in their order; events go where the settings' output says, else to Kafka.

    A closing summary on standard error tells packets that gave no event and files that end
    early; either ends with exit code 3. When all is well, lines are all there is to see.
    """
    logs.configure(settings.log)
    with ExitStack() as opened:
        captures = [opened.enter_context(CaptureFile(str(file))) for file in files]
        identity = ephemeral_id(capture.digest() for capture in captures)
        packets = chain.from_iterable(capture.packets() for capture in captures)
        destination = settings.output.file
        if destination is None:
            engine, ledger = _to_kafka(settings, identity, packets)
        else:
            _refuse_overwriting(files, destination)
            engine, ledger = _to_file(settings, identity, packets, destination)
        if ledger_file is not None:
            ledger_file.write_bytes(report.ledger_json(ledger))
        return _conclude(captures, engine, ledger, quiet=destination is not None)


def _to_file(
    settings: Settings, identity: str, packets: Iterable[Packet], destination: Path
) -> tuple[Engine, Ledger]:
    written = 0
    with Engine(settings, identity, partitions=None) as engine, _writable(destination) as output:
        for batch in chain(engine.batches(packets), engine.last_batches()):
            if batch is not None:
                _write(output, batch, destination)
                written += batch.events
                batch.release()
        kernel, pump = engine.counters()
    return engine, Ledger(kernel, pump, DeliveryCounters(acknowledged_events=written))


def _to_kafka(
    settings: Settings, identity: str, packets: Iterable[Packet]
) -> tuple[Engine, Ledger]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(kafka.deliver(settings, identity, packets))


def _conclude(
    captures: Sequence[CaptureFile], engine: Engine, ledger: Ledger, *, quiet: bool
) -> ExitCode:
    """Tell what became of the packets; give the exit code."""
    skipped = engine.skipped
    if skipped and skipped.total() == engine.packets:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
        raise CaptureError(f"none of {_count(engine.packets, 'packet')} can be replayed: {reasons}")
    damaged = [capture for capture in captures if capture.damage]
    delivered = ledger.delivery.acknowledged_events
    code = ExitCode.LOSSES if skipped or damaged else ledger.exit_code
    if code is not ExitCode.DONE or not engine.packets or not quiet:
        _tell(
            f"streamer: {_count(engine.packets, 'packet')} read, {_count(delivered, 'event')} out"
        )
    for reason, count in skipped.most_common():
        _tell(f"  no event for {_count(count, 'packet')} {reason}")
    for capture in damaged:
        _tell(f"  {capture.name} ends early: {capture.damage}")
    if ledger.exit_code is not ExitCode.DONE:
        _tell(report.summary(ledger))
    return code


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - the summary is what a command says


def _refuse_overwriting(files: Sequence[Path], destination: Path) -> None:
    for file in files:
        if destination.exists() and file.exists() and destination.samefile(file):
            raise UsageError(f"--output {destination} would overwrite the capture file")


@contextmanager
def _writable(destination: Path) -> Iterator[int]:
    """Give a descriptor: standard output, or the file, emptied."""
    if destination == _STANDARD_OUTPUT:
        sys.stdout.flush()
        yield sys.stdout.fileno()
        return
    try:
        descriptor = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
    except OSError as error:
        raise DeliveryError(f"cannot write {destination}: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, batch: SealedBatch, destination: Path) -> None:
    """Write all of it; a reader that has gone (BrokenPipeError) is the caller's matter."""
    with memoryview(batch) as remaining:
        start = 0
        while start < len(remaining):
            try:
                start += os.write(descriptor, remaining[start:])
            except BrokenPipeError:
                raise
            except OSError as error:
                raise DeliveryError(f"cannot write {destination}: {error.strerror}") from None
