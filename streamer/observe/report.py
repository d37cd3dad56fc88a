# SPDX-License-Identifier: Apache-2.0
"""What a run tells its user: the line at the start, one every minute, the summary at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson

from streamer.observe.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamer.capture.attach import Attachment
    from streamer.config import Settings
    from streamer.observe.ledger import Ledger

_log = get_logger("streamer")


def start_line(settings: Settings, attached: Sequence[Attachment]) -> str:
    """Interfaces, hook, destination, what is left out."""
    capture = settings.capture
    names = ", ".join(attachment.interface for attachment in attached) or "no interface yet"
    mechanisms = "/".join(sorted({attachment.mechanism for attachment in attached}))
    hook = f"{capture.hook} ({mechanisms})" if mechanisms else capture.hook
    where = f"{names} by {hook}, {' and '.join(capture.directions)}"
    if settings.output.file is not None:
        return f"streamer: capturing on {where}; to {_file_name(settings)}"
    own = "own connections left out" if capture.exclude_own else "own connections included"
    return (
        f"streamer: capturing on {where}; to Kafka at {settings.kafka.bootstrap_servers}, "
        f"topic {settings.kafka.topic}; {own}"
    )


def _file_name(settings: Settings) -> str:
    name = str(settings.output.file)
    return "standard output" if name == "-" else name


def stopping(settings: Settings, trouble: str) -> str:
    """Why the end may take a while."""
    return (
        f"streamer: stopping; up to {settings.shutdown.deadline_s:.3g} s to deliver what is left"
        f" ({trouble}); the next signal ends at once"
    )


def summary(ledger: Ledger) -> str:
    """The ledger, and what its exit code means when something is missing."""
    text = ledger.render()
    if ledger.unread:
        text += f"\nstreamer: the reader has gone; {ledger.unread:,} events came after that"
    lost = ledger.lost - ledger.unread
    if lost or ledger.undelivered:
        text += f"\nstreamer: {lost:,} lost, {ledger.undelivered:,} left undelivered"
    return text


def ledger_json(ledger: Ledger) -> bytes:
    """The ledger as a JSON document with a line end."""
    return orjson.dumps(ledger.as_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


class Progress:
    """What changed from one look to the next."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._seen = 0
        self._warned_lost = 0

    def line(self, ledger: Ledger, destination: str) -> str:
        """The minute's line: totals, the rate since the last one, where it goes."""
        now, seen = time.monotonic(), ledger.kernel.total.seen
        rate = (seen - self._seen) / max(now - self._at, 1e-9)
        self._at, self._seen = now, seen
        return (
            f"streamer: {seen:,} packets seen ({rate:,.0f}/s), "
            f"{ledger.delivery.acknowledged_events:,} acknowledged, {ledger.lost:,} lost; "
            f"{destination}"
        )

    def warn_of_losses(self, ledger: Ledger) -> None:
        """One warning for all that was lost since the last one."""
        if ledger.lost > self._warned_lost:
            _log.warning(
                "events were lost",
                now=ledger.lost - self._warned_lost,
                in_all=ledger.lost,
                ring_full=ledger.kernel.total.ring_full,
                rejected=ledger.rejected,
                failed=ledger.failed,
            )
            self._warned_lost = ledger.lost
