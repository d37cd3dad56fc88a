# SPDX-License-Identifier: Apache-2.0
"""Where to begin in a topic: now, at its start, or at a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

from streamer.errors import UsageError

Start = Literal["now", "start"] | datetime
"""Only what comes from now on; all that the topic still holds; or what came since a time."""

_AGO = re.compile(r"-(\d{1,9})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_HINT = "now, start, a time such as 2026-11-23T10:00:00Z (UTC without a zone), or -5m (s, m, h, d)"


def checked(start: Start) -> Start:
    """The same, or a UsageError."""
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise UsageError(f"the time {start} has no time zone", "add one, such as tzinfo=UTC")
    elif start not in ("now", "start"):
        raise UsageError(f"can't begin at {start!r}", "give 'now', 'start' or a datetime")
    return start


def parse(text: str) -> Start:
    """What `--from` says."""
    if text == "now":
        return "now"
    if text == "start":
        return "start"
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"can't begin at {text!r}", f"give {_HINT}") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
