# SPDX-License-Identifier: Apache-2.0
"""What a reader makes of Kafka's errors: those that pass are waited out, the others are told."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import errors

from streamer.config import KafkaSettings
from streamer.consume import reader as module
from streamer.consume.reader import Reader
from streamer.errors import ReadError


class Consumer:
    """Stands for aiokafka's, and fails as told."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def partitions_for_topic(self, topic: str) -> set[int]:
        del topic
        return set()

    async def getmany(self, **options: Any) -> dict[Any, Any]:
        del options
        raise self._error


def failing(error: Exception) -> Reader:
    made = Reader(KafkaSettings(), "t", start="now")
    made._consumer = Consumer(error)  # pyright: ignore[reportAttributeAccessIssue]
    return made


@pytest.mark.parametrize(
    "error", [errors.NodeNotReadyError(), errors.KafkaTimeoutError(), errors.RequestTimedOutError()]
)
async def test_what_passes_is_waited_out(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    assert await failing(error).poll(1, 0.0) == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.TopicAuthorizationFailedError("t"), "not allowed to read topic t"),
        (errors.GroupAuthorizationFailedError("g"), "not allowed to read as group"),
        (errors.CorruptRecordException("Invalid CRC - t:0"), "t can't be read: .*Invalid CRC"),
    ],
)
async def test_what_stays_is_told(error: Exception, says: str) -> None:
    with pytest.raises(ReadError, match=says):
        await failing(error).poll(1, 0.0)


async def test_not_opened_is_told() -> None:
    with pytest.raises(ReadError, match="t is not being read"):
        await Reader(KafkaSettings(), "t", start="now").poll(1, 0.0)
