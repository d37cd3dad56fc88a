# SPDX-License-Identifier: Apache-2.0
"""Records that are no events of their topic: left out, counted by reason, shown on request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import ConsumerRecord


@dataclass(frozen=True, slots=True)
class Rejected:
    """One such record, and why."""

    topic: str
    partition: int
    offset: int
    reason: str
    """`empty`, `not JSON` or `not an event`."""
    detail: str
    """What is wrong with it, in words."""
    value: bytes | None


class Rejects:
    """Counts them, and hands each to whoever wants to keep it."""

    def __init__(self, on_rejected: Callable[[Rejected], None] | None) -> None:
        self.counts: Counter[str] = Counter()
        self._on_rejected = on_rejected

    def add(self, record: ConsumerRecord[Any, Any], reason: str, detail: str) -> None:
        """Take one in."""
        self.counts[reason] += 1
        if self._on_rejected is not None:
            place = (record.topic, record.partition, record.offset)
            self._on_rejected(Rejected(*place, reason, detail, record.value))
