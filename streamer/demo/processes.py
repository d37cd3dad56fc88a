# SPDX-License-Identifier: Apache-2.0
"""Programs that the demo starts, and that never outlive it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from streamer.errors import StreamerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

POLL_S = 0.02
PACKAGES = {
    "curl": "curl",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "ping": "iputils-ping",
    "setpriv": "util-linux",
}


class Process:
    """A program in a session of its own, so that Ctrl-C on the terminal is for the demo alone.

    It is killed when the thread that started it ends, however that ends.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        netns: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        prefix = [program("setpriv"), "--pdeathsig", "KILL", "--"]
        if netns is not None:
            prefix += [program("nsenter"), f"--net={netns}", "--"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    async def wait(self, timeout_s: float) -> int:
        """The exit status; TimeoutError when it takes longer."""
        deadline = time.monotonic() + timeout_s
        while (status := self._process.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError
            await asyncio.sleep(POLL_S)
        return status

    async def stop(self, timeout_s: float, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, wait for that, and kill it if it does not."""
        self._process.send_signal(how)
        try:
            return await self.wait(timeout_s)
        except TimeoutError:
            raise self.failure(f"did not end within {timeout_s:g} s") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and everything in its session, now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def failure(self, what: str) -> StreamerError:
        """An error about this program, with the last thing it said."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        told = f": {lines[-1].strip()}" if lines else ""
        return StreamerError(f"{self.name} {what}{told}")


def program(name: str) -> str:
    """Where a program is that the demo needs."""
    found = shutil.which(name)
    if found is None:
        raise StreamerError(
            f"the program {name} was not found", hint=f"install the package {PACKAGES[name]}"
        )
    return found
