# SPDX-License-Identifier: Apache-2.0
"""What surrounds a demo: the right to run it, how it is interrupted, and nothing left of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.demo import network
from streamer.demo.lock import exclusive
from streamer.demo.network import PREFIX
from streamer.demo.progress import Screen
from streamer.errors import ExitCode, MissingPrivilege, StreamerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType
    from typing import Any

    from rich.console import Console

    from streamer.demo.lock import Lock

CAPABILITIES = {"NET_ADMIN": 12, "SYS_ADMIN": 21, "PERFMON": 38, "BPF": 39}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REMOVE_ATTEMPTS = 5


def require_root() -> None:
    """The demo makes network namespaces and loads eBPF programs."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.partition("CapEff:")[2].split(maxsplit=1)[0], 16)
    missing = [f"CAP_{name}" for name, bit in CAPABILITIES.items() if not effective >> bit & 1]
    if os.geteuid() != 0 or missing:
        lacking = f", and lacks {', '.join(missing)}" if missing else ""
        raise MissingPrivilege(
            f"the demo makes network namespaces and loads eBPF programs: it needs root{lacking}",
            hint="run it as root: sudo make demo",
        )


def on_stage(perform: Callable[[Console, Interrupts, Lock], Coroutine[Any, Any, int]]) -> int:
    """Let a demo run, alone and on a swept stage; the exit code."""
    require_root()
    interrupts = Interrupts()
    interrupts.catch()
    try:
        with exclusive() as lock:
            sweep()
            return asyncio.run(perform(Screen(), interrupts, lock))
    except (asyncio.CancelledError, StreamerError):
        # a program that was interrupted may have failed for that reason
        if not interrupts.happened:
            raise
        return ExitCode.INTERRUPTED
    finally:
        interrupts.ignore()


def sweep() -> list[Path]:
    """Remove what a killed demo left behind, and tell what. Its programs died with it."""
    removed = network.sweep()
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not path.is_symlink() and path.is_dir() and path.stat().st_uid == os.geteuid():
            remove(path)
            removed.append(path)
    return removed


def remove(folder: Path) -> None:
    """Remove a folder whose last writers may still be dying."""
    for _ in range(REMOVE_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


class Interrupts:
    """Ctrl-C and its like end the demo's task, and never what is done after it to clean up."""

    def __init__(self) -> None:
        self.happened = False
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def catch(self) -> None:
        """From here to the end of the process, a signal is only noted."""
        for number in SIGNALS:
            signal.signal(number, self._note)

    def ignore(self) -> None:
        """All is done: what still comes must not change the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    @contextlib.contextmanager
    def cancelling(self) -> Iterator[None]:
        """In here, a signal also cancels the current task."""
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        if self.happened and self._task is not None:
            self._task.cancel()
        try:
            yield
        finally:
            self._task = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        first, self.happened = not self.happened, True
        if first and self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
