# SPDX-License-Identifier: Apache-2.0
"""What is wrong now, told once when it begins, then rarely, and when it is over."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

log = logging.getLogger("streamer.delivery")

REMIND_EVERY_S = 60.0


@dataclass(slots=True)
class _Trouble:
    text: str
    since: float
    told: float


class Health:
    """Troubles by subject; the first one is the state of the whole."""

    def __init__(self) -> None:
        self._troubles: dict[str, _Trouble] = {}

    def __bool__(self) -> bool:
        return not self._troubles

    @property
    def trouble(self) -> str | None:
        """The trouble that has lasted longest."""
        return next((each.text for each in self._troubles.values()), None)

    def has(self, subject: str) -> bool:
        """Whether this subject is in trouble."""
        return subject in self._troubles

    def bad(self, subject: str, text: str) -> None:
        """The subject is in trouble; said again every minute as long as this is called."""
        now = time.monotonic()
        trouble = self._troubles.get(subject)
        if trouble is None:
            self._troubles[subject] = _Trouble(text, now, now)
            log.warning("%s; retrying", text)
        elif now - trouble.told >= REMIND_EVERY_S:
            trouble.text, trouble.told = text, now
            log.warning("%s; retrying for %.0f s now", text, now - trouble.since)
        else:
            trouble.text = text

    def good(self, subject: str, text: str) -> None:
        """The subject works; told only if it was in trouble."""
        trouble = self._troubles.pop(subject, None)
        if trouble is not None:
            log.info("%s after %.0f s", text, time.monotonic() - trouble.since)

    def trouble_of(self, topic: str) -> str | None:
        """The trouble that keeps this topic from being written, if there is one."""
        for subject, each in self._troubles.items():
            kind, _, name = subject.partition(" ")
            if kind not in ("topic", "sending") or name == topic:
                return each.text
        return None
