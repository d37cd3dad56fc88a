# SPDX-License-Identifier: Apache-2.0
"""`streamer tail`: events as they come, until there were enough or the user has had enough."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import select
import shutil
import sys
from typing import TYPE_CHECKING, Any

import uvloop

from streamer.consume.batches import Batch, Batches
from streamer.consume.events import Packet, Stats
from streamer.consume.stream import Source
from streamer.errors import ExitCode
from streamer.schema import PACKETS, STATS
from streamer.tail import columns

if TYPE_CHECKING:
    from streamer.config import KafkaSettings
    from streamer.consume import Start

BATCH = 2000
BATCH_S = 0.1  # how long an event may wait for others, to be printed with them
IDLE_S = 3.0  # without an event for so long: are the brokers still there?


def command(
    kafka: KafkaSettings,
    topic: str,
    *,
    where: str | None,
    start: Start,
    count: int | None,
    as_json: bool,
) -> ExitCode:
    """Follow the topic. A closing line on standard error tells losses, if there were any."""
    is_stats = topic in (kafka.stats_topic, STATS.name)
    record, table = (Stats, STATS) if is_stats else (Packet, PACKETS)
    source: Source[Any] = Source(kafka, record, table, topic, start=start, where=where)
    batches = Batches(source)
    output = _Json() if as_json else _Columns(is_stats=is_stats)
    for name in ("aiokafka", "asyncio"):  # what matters of it is said here, in better words
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_follow(batches, output, count))
    finally:
        _conclude(batches)
    return ExitCode.DONE


async def _follow(batches: Batches[Any], output: _Json | _Columns, count: int | None) -> None:
    async with batches:
        output.begin()
        watch = _Watch(batches)
        while count is None or count > 0:
            batch = await batches.batch(min(BATCH, count or BATCH), BATCH_S)
            if batch.events:
                output.write(batch)
                count = None if count is None else count - len(batch.events)
            await watch.look(idle=not batch.events)


class _Watch:
    """While nothing comes: is there nothing, nobody to bring it, or nobody to read it?"""

    def __init__(self, batches: Batches[Any]) -> None:
        self._batches = batches
        self._loop = asyncio.get_running_loop()
        self._since_s = self._loop.time()
        self._told: str | None = None
        self._reader_gone = select.poll()
        self._reader_gone.register(sys.stdout.fileno(), 0)  # errors only

    async def look(self, *, idle: bool) -> None:
        """Say when the brokers go, and when they are back."""
        if any(state & select.POLLERR for _, state in self._reader_gone.poll(0)):
            raise BrokenPipeError
        now_s = self._loop.time()
        if idle and now_s - self._since_s < IDLE_S:
            return
        self._since_s = now_s
        trouble = await self._batches.trouble() if idle else None
        if trouble != self._told:
            self._told = trouble
            _tell(f"{trouble}; still trying" if trouble else "Kafka answers again")


class _Json:
    """The records as they are, one a line."""

    def begin(self) -> None:
        """Nothing comes before the first."""

    def write(self, batch: Batch[Any]) -> None:
        """Print them at once."""
        # The text is JSON, so a line break in it is mere space.
        lines = [text.replace(b"\n", b" ").replace(b"\r", b" ") for text in batch.texts]
        sys.stdout.buffer.write(b"\n".join([*lines, b""]))
        sys.stdout.buffer.flush()


class _Columns:
    """A line for people; with colours, a header and no line too wide if it is a terminal."""

    def __init__(self, *, is_stats: bool) -> None:
        self._terminal = sys.stdout.isatty()
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        layout = columns.STATS if is_stats else columns.PACKETS
        self._cells: Any = columns.stats_cells if is_stats else columns.packet_cells
        self._lines = columns.Lines(layout, colours=self._terminal and not plain)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")

    def begin(self) -> None:
        """Print the header."""
        if self._terminal:
            self._print([self._lines.header(self._width())])

    def write(self, batch: Batch[Any]) -> None:
        """Print them at once."""
        width = self._width()
        self._print([self._lines.line(self._cells(event), width) for event in batch.events])

    def _width(self) -> int | None:
        return shutil.get_terminal_size().columns if self._terminal else None

    @staticmethod
    def _print(lines: list[str]) -> None:
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()


def _conclude(batches: Batches[Any]) -> None:
    """Tell what was left out or never came; nothing, if all is well."""
    rejected = batches.rejected
    left_out = [
        text
        for text in (
            _count(rejected["not JSON"], "record that is not JSON", "records that are not JSON"),
            _count(
                rejected["not an event"],
                "record that is not an event",
                "records that are no events",
            ),
            _count(rejected["empty"], "empty record"),
            _count(batches.duplicates, "duplicate"),
        )
        if text
    ]
    if left_out:
        _tell(f"left out: {', '.join(left_out)}")
    if batches.expired:
        _tell(f"{_count(batches.expired, 'record')} expired before being read")
    if batches.missing:
        # On its way may be what other partitions hold, when the end came by Ctrl-C or --count.
        _tell(
            f"missing by their sequence, or still on their way: {_count(batches.missing, 'event')}"
        )


def _count(number: int, one: str, many: str | None = None) -> str:
    """Nothing for zero."""
    return f"{number:,} {one if number == 1 else many or one + 's'}" if number else ""


def _tell(line: str) -> None:
    print(f"streamer: {line}", file=sys.stderr)  # noqa: T201 - what a command says
