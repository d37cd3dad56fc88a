# SPDX-License-Identifier: Apache-2.0
"""Delivery to a file or to standard output: batches of lines, in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import queue
import stat
import threading
from collections import Counter
from typing import TYPE_CHECKING

from streamer.delivery.base import Batch, DeliveryCounters
from streamer.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger("streamer.delivery")

STANDARD_OUTPUT = "-"
CLOSE_TIMEOUT_S = 0.5
REASONS = {errno.ENOSPC: "no_space", errno.EDQUOT: "no_space", errno.EPIPE: "closed_pipe"}


class FileDelivery:
    """Writes in a thread of its own: a pipe nobody reads stops that thread, not the program.

    `closed_pipe` is set when the reader of a pipe has gone: there is nothing left to do then.
    A batch that can't be written is a counted failure, and no part of it stays in a file.
    """

    def __init__(self, destination: Path | str) -> None:
        self._destination = str(destination)
        self._descriptor = -1
        self._regular = False
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._trouble: str | None = None
        self._queued_events = self._queued_batches = self._queued_bytes = 0
        self._written_events = self._written_batches = self._written_bytes = 0
        self._failed_events: Counter[str] = Counter()
        self._failed_batches: Counter[str] = Counter()
        self._progress = asyncio.Event()
        self._ended = asyncio.Event()
        self.closed_pipe = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the last write succeeded."""
        return self._descriptor >= 0 and self._trouble is None and not self.closed_pipe.is_set()

    @property
    def status(self) -> str:
        """The state in one sentence."""
        name = "standard output" if self._destination == STANDARD_OUTPUT else self._destination
        if self.closed_pipe.is_set():
            return f"the reader of {name} has gone"
        return self._trouble or f"writing to {name}"

    async def start(self) -> None:
        """Opens the file anew; raises DeliveryError if that is not possible."""
        if self._destination == STANDARD_OUTPUT:
            self._descriptor = os.dup(1)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            try:
                self._descriptor = os.open(self._destination, flags, 0o644)
            except OSError as error:
                raise DeliveryError(
                    f"{self._destination} can't be written: {error.strerror}",
                    hint="give another file to --output, or - for standard output",
                ) from error
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="delivery-file", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Takes ownership."""
        self._queued_events += batch.events
        self._queued_batches += 1
        self._queued_bytes += len(batch)
        self._queue.put(batch)

    def counters(self) -> DeliveryCounters:
        """What was written counts as acknowledged."""
        return DeliveryCounters(
            queued_events=self._queued_events,
            acknowledged_events=self._written_events,
            failed_events=dict(self._failed_events),
            queued_batches=self._queued_batches,
            acknowledged_batches=self._written_batches,
            failed_batches=dict(self._failed_batches),
            queued_bytes=self._queued_bytes,
            acknowledged_bytes=self._written_bytes,
        )

    async def drain(self, deadline_s: float) -> bool:
        """Waits until everything is written or failed; False if time runs out first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._queued_batches:
                    self._progress.clear()
                    await self._progress.wait()
        return not self._queued_batches

    async def aclose(self) -> None:
        """Ends the thread; one that hangs in a pipe nobody reads is left behind."""
        if self._closing:
            return
        self._closing = True
        self._queue.put(None)
        if self._thread is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._ended.wait()

    # ------------------------------------------------------------------ in the thread

    def _work(self) -> None:
        while not self._closing:
            batch = self._queue.get()
            if batch is None or self._closing:
                break
            error = self._write(batch)
            events, size = batch.events, len(batch)
            batch.release()
            self._tell(self._written, events, size, error)
        os.close(self._descriptor)
        self._tell(self._ended.set)

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        # RuntimeError: the loop has ended, nobody listens any more
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(callback, *arguments)

    def _write(self, batch: Batch) -> OSError | None:
        """None when all of it was written, else why not."""
        written = 0
        with memoryview(batch) as data:  # type: ignore[arg-type] # a buffer, as Batch says
            try:
                while written < len(data):
                    written += os.write(self._descriptor, data[written:])
            except OSError as error:
                if written and self._regular:  # no torn line
                    end = os.lseek(self._descriptor, -written, os.SEEK_CUR)
                    os.ftruncate(self._descriptor, end)
                return error
        return None

    # ------------------------------------------------------------------ in the loop

    def _written(self, events: int, size: int, error: OSError | None) -> None:
        self._queued_events -= events
        self._queued_batches -= 1
        self._queued_bytes -= size
        if error is None:
            self._written_events += events
            self._written_batches += 1
            self._written_bytes += size
            self._trouble = None
        else:
            reason = REASONS.get(error.errno or 0, "write_error")
            self._failed_events[reason] += events
            self._failed_batches[reason] += 1
            if reason == "closed_pipe":
                self.closed_pipe.set()
            elif self._trouble is None:
                self._trouble = f"{self._destination} can't be written: {error.strerror or error}"
                log.error("%s; the events lost by it are counted", self._trouble)
        self._progress.set()
