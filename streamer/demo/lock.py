# SPDX-License-Identifier: Apache-2.0
"""One demo at a time: who has the stage, and what the last one that had it left to be told."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from streamer.demo.kept import Kept, Result
from streamer.errors import StreamerError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path("/run/streamer-demo.lock")
STATE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class State:
    """What the lock's file says of the demo that holds it, or held it last."""

    process_id: int
    kept: Kept | None = None
    result: Result | None = None

    @classmethod
    def parse(cls, text: bytes) -> State | None:
        """None for what is no state, or only a part of one."""
        try:
            fields: dict[str, Any] = orjson.loads(text)
            kept, result = fields["kept"], fields["result"]
            return cls(
                int(fields["process_id"]),
                kept and Kept(**kept),
                result and Result(**result),
            )
        except (ValueError, TypeError, KeyError):
            return None


class Occupied(StreamerError):
    """Another demo has the stage."""

    def __init__(self, state: State | None) -> None:
        self.state = state
        whose = f" (process {state.process_id})" if state else ""
        if state is not None and state.kept is not None:
            super().__init__(f"another demo is kept{whose}", state.kept.instructions())
        else:
            super().__init__(
                f"another demo is running{whose}", "wait until it has ended, or interrupt it"
            )


class Lock:
    """The stage, held by this process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.left = State.parse(os.pread(descriptor, STATE_BYTES, 0))  # by who did not clear up
        self.state = State(os.getpid())
        self._write()

    def note(self, *, kept: Kept | None = None, result: Result | None = None) -> None:
        """Let others know; a result stays in the file until it was told."""
        self.state = replace(
            self.state, kept=kept or self.state.kept, result=result or self.state.result
        )
        self._write()

    def _write(self) -> None:
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, orjson.dumps(self.state), 0)


@contextlib.contextmanager
def exclusive() -> Iterator[Lock]:
    """Have the stage: two demos would take each other's remains for leftovers."""
    while True:
        descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            state = State.parse(os.pread(descriptor, STATE_BYTES, 0))
            os.close(descriptor)
            raise Occupied(state) from None
        if _is_still(LOCK, descriptor):
            break
        os.close(descriptor)  # removed by its last holder between our two steps
    lock = Lock(descriptor)
    try:
        yield lock
    finally:
        if lock.state.result is None:
            LOCK.unlink(missing_ok=True)
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
