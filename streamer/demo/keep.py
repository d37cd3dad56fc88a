# SPDX-License-Identifier: Apache-2.0
"""`streamer demo --keep`: the demo in a process that stays when the command has ended.

What a demo starts dies with the process that started it. So a child of the command, the keeper,
runs the demo, in a session of its own. Until the report is shown, it lives and dies with the
command; from then on until it is told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.demo import report
from streamer.demo.kept import Kept, Result
from streamer.demo.progress import Steps
from streamer.demo.run import READ_S, TABLE, Parts
from streamer.demo.stage import SIGNALS, on_stage, require_root
from streamer.errors import ExitCode, StreamerError

if TYPE_CHECKING:
    from rich.console import Console

    from streamer.demo.lock import Lock
    from streamer.demo.stage import Interrupts

# What bounds a kept topic: each of its partitions is cut to so much, every few seconds.
BROKER = {
    "log.segment.bytes": str(4 * 1024 * 1024),
    "log.retention.bytes": str(16 * 1024 * 1024),
    "log.retention.check.interval.ms": "10000",
}


def command() -> int:
    """Run the demo and leave it running; the exit code. Returns in both processes."""
    require_root()
    ours, keepers = socket.socketpair()
    keeper = os.fork()
    if keeper:
        keepers.close()
        with ours:
            return _attend(keeper, ours)
    ours.close()
    os.setsid()
    _close_all_but(keepers)
    return on_stage(functools.partial(_keep, keepers))


def _attend(keeper: int, line: socket.socket) -> int:
    """Wait for the exit code of the demo's tour, or of the keeper; pass signals on to it."""

    def pass_on(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    if code := line.recv(1):
        return code[0]
    _, status = os.waitpid(keeper, 0)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    if os.WTERMSIG(status) in SIGNALS:
        return ExitCode.INTERRUPTED
    raise StreamerError(
        f"the demo was ended by signal {os.WTERMSIG(status)}",
        "what it left goes with: streamer demo --down",
    )


def _close_all_but(line: socket.socket) -> None:
    """The keeper must not hold what its caller had open: a pipe's reader would wait for its end."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names, of files that come and go
        descriptor = int(name)
        if descriptor > 2 and descriptor != line.fileno():
            with contextlib.suppress(OSError):
                os.close(descriptor)


async def _keep(line: socket.socket, console: Console, interrupts: Interrupts, lock: Lock) -> int:
    """The keeper's life."""
    async with AsyncExitStack() as remains:
        with interrupts.cancelling():
            loop = asyncio.get_running_loop()
            loop.add_reader(line, _end_with_the_caller, line)
            parts = Parts(remains, BROKER)
            ledger, rows = await parts.tour(console)
            await _start_again(parts, console)
            kept = _describe(parts)
            lock.note(kept=kept)
            console.print("\nAll of it stays, and how to look at it", style="bold")
            console.print(kept.instructions(), soft_wrap=True, highlight=False, markup=False)
            loop.remove_reader(line)
            told_to_end = asyncio.Event()
            for number in SIGNALS:
                loop.add_signal_handler(number, told_to_end.set)
            _detach(parts.folder / "keeper.log")
            with line:
                code = ExitCode.LOSSES if report.shortfall(ledger) else ExitCode.DONE
                line.sendall(bytes((code,)))
            await told_to_end.wait()
        lock.note(result=await _end(parts, rows))
    return ExitCode.DONE


def _end_with_the_caller(line: socket.socket) -> None:
    """The command was killed before the demo was kept: as if it had been interrupted."""
    asyncio.get_running_loop().remove_reader(line)
    os.kill(os.getpid(), signal.SIGTERM)


async def _start_again(parts: Parts, console: Console) -> None:
    """The tour's report wanted the capture ended, so that its ledger closes; this one stays."""
    console.print()
    steps = Steps(console)
    with steps.shown():
        await parts.start_capture(steps)


def _describe(parts: Parts) -> Kept:
    return Kept(
        folder=str(parts.folder),
        client_netns=str(parts.network.client.netns),
        server=parts.network.server.ipv4,
        broker=parts.kafka.bootstrap_servers,
        clickhouse=parts.database.url,
        password=parts.database.password,
        metrics=parts.capture.metrics,
    )


def _detach(log: Path) -> None:
    """Let go of the terminal."""
    with Path(os.devnull).open("rb") as nothing, log.open("ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)


async def _end(parts: Parts, rows_before: int) -> Result:
    """End the capture in good order, and wait until ClickHouse has read what it sent."""
    ledger = rows = trouble = None
    try:
        ledger = await parts.capture.stop()
        acknowledged: int = ledger["records"]["acknowledged"]
        in_all = await parts.database.wait_for_rows(TABLE, rows_before + acknowledged, READ_S)
        rows = in_all - rows_before
        if rows < acknowledged:
            trouble = f"{acknowledged:,} events were acknowledged, ClickHouse has read {rows:,}"
    except StreamerError as error:
        trouble = error.message
    except OSError as error:
        trouble = f"{error.filename}: {error.strerror}"
    return Result(ledger, rows, trouble)
