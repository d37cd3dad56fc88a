# SPDX-License-Identifier: Apache-2.0
"""The ledger as an event of stats.v1."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from streamer.observe.ledger import Ledger


class StatsRecords:
    """Makes the documents of one run; they have an identity of their own, and its sequence."""

    def __init__(self, agent_id: str, ephemeral_id: str, host_name: str) -> None:
        self._agent = {"id": agent_id, "ephemeral_id": ephemeral_id}
        self._host = {"name": host_name}
        self._sequence = 0

    def encode(self, ledger: Ledger) -> bytes:
        """The next document."""
        document = {
            "@timestamp": _utc(time.time_ns()),
            "event": {"sequence": self._sequence},
            "agent": self._agent,
            "host": self._host,
            "ledger": ledger.as_dict(),
        }
        self._sequence += 1
        return orjson.dumps(document)


def _utc(nanoseconds: int) -> str:
    """A time as every topic writes it."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
