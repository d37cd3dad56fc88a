# SPDX-License-Identifier: Apache-2.0
"""A batch that nobody waits for any more is not lost, and not told to be processed."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from streamer.config import load_settings
from streamer.consume import Packet
from streamer.consume.batches import Batches
from streamer.consume.stream import Source
from streamer.schema import PACKETS
from tests.support.producing import document

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamer.consume import Rejected


class Reader:
    """In place of Kafka: gives what it is given, and keeps what it is told."""

    is_open = whole = False

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.told: dict[int, int] = {}

    async def poll(self, most: int, timeout_s: float) -> list[list[Any]]:
        del most, timeout_s
        return [await self.arrived.get()]

    async def commit(self, offsets: dict[int, int]) -> bool:
        self.told |= offsets
        return True


def record(offset: int, value: bytes | None = None) -> Any:
    value = json.dumps(document(offset)).encode() if value is None else value
    return SimpleNamespace(topic="t", partition=0, offset=offset, value=value, key=None)


def batches(
    reader: Reader, on_rejected: Callable[[Rejected], None] | None = None
) -> Batches[Packet]:
    kafka = load_settings(None, {}).kafka
    made = Batches(
        Source(kafka, Packet, PACKETS, "t", start="now", where=None, on_rejected=on_rejected)
    )
    made._reader = reader  # type: ignore[assignment]
    return made


async def test_given_up_half_way() -> None:
    reader = Reader()
    made = batches(reader)
    reader.arrived.put_nowait([record(0), record(1)])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(made.batch(3, 60), 0.05)
    await made.commit()
    assert reader.told == {}
    reader.arrived.put_nowait([record(2)])
    batch = await made.batch(3, 60)
    assert [event.event.sequence for event in batch.events] == [0, 1, 2]
    await made.commit()
    assert reader.told == {}  # it is in the caller's hands
    reader.arrived.put_nowait([record(3)])
    await made.batch(1, 60)
    await made.commit()
    assert reader.told == {0: 3}


async def test_an_error_of_the_callers_own() -> None:
    def refuse(rejected: Rejected) -> None:
        raise RuntimeError(rejected.reason)

    reader = Reader()
    made = batches(reader, refuse)
    reader.arrived.put_nowait([record(0), record(1, b"no JSON"), record(2)])
    with pytest.raises(RuntimeError):
        await made.batch(2, 60)
    batch = await made.batch(2, 60)
    assert [event.event.sequence for event in batch.events] == [0, 2]
