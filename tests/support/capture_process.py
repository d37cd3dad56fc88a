# SPDX-License-Identifier: Apache-2.0
"""A capture in a process of its own, with chosen privileges; also the program it runs.

It prints one line of JSON when it captures, waits for a line, and prints the counters.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.netns import Namespace


@contextmanager
def capture_process(
    namespace: Namespace, privileges: Sequence[str] = (), **settings: Any
) -> Iterator[subprocess.Popen[str]]:
    """Start it in a namespace, under `setpriv` with these arguments; it is killed at the end."""
    command = [*namespace.enter]
    if privileges:
        command += ["setpriv", *privileges]
    command += [sys.executable, "-P", __file__, json.dumps(settings)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Give its next line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"it ended with {process.wait()}"
    result: dict[str, Any] = json.loads(line)
    return result


def ask(process: subprocess.Popen[str]) -> None:
    """Send the line it waits for."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def _main() -> None:
    from streamer.capture.capture import Capture
    from streamer.config import CaptureSettings, LogSettings
    from streamer.errors import StreamerError
    from streamer.observe.logs import configure

    configure(LogSettings())  # away from standard output
    capture = Capture(CaptureSettings(**json.loads(sys.argv[1])))
    try:
        capture.open()
        await capture.start(lambda _ifindex, _name: None)
        _say([dataclasses.asdict(attachment) for attachment in capture.attached])
        await asyncio.to_thread(sys.stdin.readline)
        await capture.detach()
        _say(dataclasses.asdict(capture.counters().total))
    except StreamerError as error:
        _say({"error": error.message, "exit_code": int(error.exit_code)})
    finally:
        capture.close()


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
