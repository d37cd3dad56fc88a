# SPDX-License-Identifier: Apache-2.0
"""`streamer demo --down`: the end of a kept demo, and what came of it."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

from streamer.demo import report
from streamer.demo.lock import Occupied, exclusive
from streamer.demo.progress import Screen, Steps
from streamer.demo.stage import require_root, sweep
from streamer.errors import ExitCode, StreamerError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from streamer.demo.kept import Result

END_S = 120.0


class Unaccounted(StreamerError):
    """The demo has ended, but not everything of it is known to have arrived."""

    exit_code = ExitCode.LOSSES


def command() -> int:
    """End the kept demo, whatever there is of it; the exit code."""
    require_root()
    console = Screen()
    try:
        result, swept = _clear_stage()
    except Occupied as other:
        if other.state is None or other.state.kept is None:
            raise
        steps = Steps(console)
        with steps.shown(), steps.step("ending the kept demo", "the kept demo has ended"):
            _tell_to_end(other.state.process_id)
        result, swept = _clear_stage()
    if result is not None:
        return _show(console, result)
    if swept:
        raise Unaccounted(
            "the demo had been killed, and its ledger is lost with it",
            "removed what it left: " + ", ".join(map(str, swept)),
        )
    raise StreamerError("no demo is kept", "keep one with: streamer demo --keep")


def _clear_stage() -> tuple[Result | None, list[Path]]:
    """What the last demo left to be told, and what had to be removed after it."""
    with exclusive() as lock:
        return lock.left.result if lock.left else None, sweep()


def _tell_to_end(process_id: int) -> None:
    """Let the keeper end everything in good order; returns when it has."""
    try:
        keeper = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(keeper, signal.SIGTERM)
        end = select.poll()
        end.register(keeper, select.POLLIN)
        if not end.poll(END_S * 1000):
            raise StreamerError(
                f"the kept demo (process {process_id}) did not end within {END_S:g} s",
                f"end it at once, then sweep: kill -9 {process_id}; streamer demo --down",
            )
    finally:
        os.close(keeper)


def _show(console: Console, result: Result) -> int:
    trouble = result.trouble
    if result.ledger is not None:
        report.show_ledger(console, result.ledger, result.rows)
        trouble = trouble or report.shortfall(result.ledger)
    if trouble is not None:
        raise Unaccounted(trouble, "everything of the demo has been ended")
    return ExitCode.DONE
