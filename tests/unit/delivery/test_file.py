# SPDX-License-Identifier: Apache-2.0
"""Lines to a file or a pipe."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from streamer.delivery import FileDelivery
from streamer.errors import DeliveryError
from tests.support.batches import MadeBatch

if TYPE_CHECKING:
    from pathlib import Path


def batch(*lines: str) -> MadeBatch:
    """A sealed batch of lines."""
    made = MadeBatch("".join(line + "\n" for line in lines).encode())
    made.partition, made.events, made.released = 0, len(lines), 0
    return made


async def test_everything_arrives_in_order(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("old\n")
    delivery = FileDelivery(file)
    await delivery.start()
    batches = [batch(f"{number} a", f"{number} b") for number in range(500)]
    for each in batches:
        delivery.put(each)
    assert await delivery.drain(10)
    counters = delivery.counters()
    assert counters.acknowledged_events == 1000
    assert counters.acknowledged_bytes == file.stat().st_size
    assert counters.queued_events == counters.queued_bytes == 0
    assert delivery.ready
    await delivery.aclose()
    assert file.read_text() == "".join(f"{n} a\n{n} b\n" for n in range(500))
    assert all(each.released == 1 for each in batches)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="No such file"):
        await FileDelivery(tmp_path / "none" / "file").start()


async def test_full_disk_is_counted_and_leaves_no_torn_line() -> None:
    delivery = FileDelivery("/dev/full")
    await delivery.start()
    delivery.put(batch("one", "two"))
    assert await delivery.drain(5)
    assert delivery.counters().failed_events == {"no_space": 2}
    assert not delivery.ready
    assert "No space left" in delivery.status
    await delivery.aclose()


async def test_a_partly_written_batch_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "events.jsonl"
    delivery = FileDelivery(file)
    await delivery.start()
    delivery.put(batch("whole"))
    assert await delivery.drain(5)
    real_write = os.write
    calls = []

    def short_write(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(descriptor, data[:3] if len(calls) == 1 else data)

    monkeypatch.setattr("streamer.delivery.file.os.write", short_write)
    delivery.put(batch("torn line"))
    delivery.put(batch("after"))
    assert await delivery.drain(5)
    await delivery.aclose()
    assert file.read_text() == "whole\nafter\n"
    counters = delivery.counters()
    assert (counters.acknowledged_events, counters.failed_events) == (2, {"no_space": 1})


async def test_a_pipe_whose_reader_went_away(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    delivery = FileDelivery(pipe)
    await delivery.start()
    delivery.put(batch("read"))
    assert await delivery.drain(5)
    assert os.read(reader, 100) == b"read\n"
    os.close(reader)
    delivery.put(batch("unread"))
    await asyncio.wait_for(delivery.closed_pipe.wait(), 5)
    assert delivery.counters().failed_events == {"closed_pipe": 1}
    assert not delivery.ready
    await delivery.aclose()


async def test_a_pipe_nobody_reads_does_not_hold_up_the_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    delivery = FileDelivery(pipe)
    await delivery.start()
    for _ in range(3):
        delivery.put(batch("x" * 100_000))
    assert not await delivery.drain(0.2)
    began = time.monotonic()
    await delivery.aclose()
    assert time.monotonic() - began < 1
    assert delivery.counters().undelivered_events == 3
    os.close(reader)
