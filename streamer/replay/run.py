# SPDX-License-Identifier: Apache-2.0
"""`streamer replay`: capture files in, events out, and what became of each packet."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from streamer.errors import CaptureError, DeliveryError, ExitCode, UsageError
from streamer.observe.counters import DeliveryCounters
from streamer.observe.ledger import Ledger
from streamer.replay.engine import Engine, ephemeral_id
from streamer.replay.reader import CaptureFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hotpath.sealed_batch import SealedBatch
    from streamer.config import Settings

_STANDARD_OUTPUT = Path("-")


def command(files: Sequence[Path], settings: Settings, ledger_file: Path | None) -> ExitCode:
    """Replay the files in their order; events go where the settings' output says, else to Kafka.

    A closing summary on standard error tells packets that gave no event and files that end
    early; both end with exit code 3.
    """
    with ExitStack() as opened:
        captures = [opened.enter_context(CaptureFile(str(file))) for file in files]
        identity = ephemeral_id(capture.digest() for capture in captures)
        destination = settings.output.file
        if destination is None:
            raise UsageError("replay to Kafka is not built yet")
        _refuse_overwriting(files, destination)
        engine = opened.enter_context(Engine(settings, identity, "lines"))
        descriptor = opened.enter_context(_writable(destination))
        packets = chain.from_iterable(capture.packets() for capture in captures)
        written = 0
        for batch in chain(engine.batches(packets), engine.last_batches()):
            if batch is not None:
                _write(descriptor, batch, destination)
                written += batch.events
                batch.release()
        kernel, pump = engine.counters()
        delivery = DeliveryCounters(acknowledged_events=written)
        return _conclude(captures, engine, Ledger(kernel, pump, delivery), ledger_file)


def _conclude(
    captures: Sequence[CaptureFile], engine: Engine, ledger: Ledger, ledger_file: Path | None
) -> ExitCode:
    """Tell what became of the packets; give the exit code."""
    events = ledger.delivery.acknowledged_events
    skipped = sum(engine.skipped.values())
    damaged = [capture for capture in captures if capture.damage]
    if skipped and not events:
        reasons = ", ".join(f"{count} {reason}" for reason, count in engine.skipped.items())
        raise CaptureError(f"none of the {engine.packets} packets can be replayed: {reasons}")
    _tell(f"streamer: {_count(engine.packets, 'packet')} read, {_count(events, 'event')} written")
    for reason, count in engine.skipped.most_common():
        _tell(f"  no event for {_count(count, 'packet')} {reason}")
    for capture in damaged:
        _tell(f"  {capture.name} ends early: {capture.damage}")
    if ledger_file is not None:
        ledger_file.write_bytes(orjson.dumps(ledger.as_dict(), option=orjson.OPT_INDENT_2))
    if ledger.unaccounted:
        _tell(f"  {ledger.unaccounted} events are unaccounted for: please report it")
    return ExitCode.LOSSES if skipped or damaged else ledger.exit_code


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


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
