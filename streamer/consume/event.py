# SPDX-License-Identifier: Apache-2.0
"""What every event has, whatever its topic: when it was, and which it is."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, cast

from msgspec import Meta, Struct
from msgspec import field as member

Identity = tuple[str, str, int]
"""`agent.id`, `agent.ephemeral_id`, `event.sequence`: no two events have all three in common."""

Timestamp = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")]

# The same addresses come again and again.
ip_address = lru_cache(1 << 16)(ipaddress.ip_address)

_identity = attrgetter("agent.id", "agent.ephemeral_id", "event.sequence")


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One record of a topic. Frozen: it can be shared, hashed and kept."""

    timestamp: Timestamp = member(name="@timestamp")
    """When it was, in UTC, to the nanosecond, as the record has it; see `time` and `time_ns`."""

    @property
    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        seconds = datetime.fromisoformat(self.timestamp[:19]).replace(tzinfo=UTC).timestamp()
        return int(seconds) * 1_000_000_000 + int(self.timestamp[20:29])

    @property
    def time(self) -> datetime:
        """The time as Python has it, cut to microseconds."""
        return datetime.fromisoformat(self.timestamp[:26]).replace(tzinfo=UTC)

    @property
    def identity(self) -> Identity:
        """Which event this is; the same again when it is delivered twice."""
        return cast("Identity", _identity(self))
