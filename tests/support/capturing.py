# SPDX-License-Identifier: Apache-2.0
"""A capture inside the test's process, its records read as they are."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamer.capture.capture import Capture
from streamer.config import CaptureSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from streamer.observe.counters import HookCounters


@dataclass
class Running:
    """A started capture, and what has been read of its ring."""

    capture: Capture
    names: list[tuple[int, str]] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)

    def drain(self) -> None:
        """Read what is in the ring."""
        with self.capture.ring.lease() as lease:
            self.records += [bytes(record) for record in lease]

    def total(self) -> HookCounters:
        """All hooks and CPUs together."""
        return self.capture.counters().total

    async def finish(self) -> HookCounters:
        """Detach, read the rest, and give the final counters."""
        await self.capture.detach()
        self.drain()
        return self.total()


@asynccontextmanager
async def capturing(netns: Path, *interfaces: str, **settings: Any) -> AsyncIterator[Running]:
    """Run a capture in a namespace."""
    capture = Capture(CaptureSettings(interfaces=interfaces, netns=netns, **settings))
    running = Running(capture)
    capture.open()
    try:
        await capture.start(lambda ifindex, name: running.names.append((ifindex, name)))
        yield running
        await capture.detach()
    finally:
        capture.close()


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = 5.0) -> None:
    """Poll without a loop; fails with `what` was awaited."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.005)
