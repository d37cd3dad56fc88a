# SPDX-License-Identifier: Apache-2.0
"""Structured logs on standard error: lines for people on a terminal, JSON elsewhere.

Everything goes through the standard library's logging, so that the Kafka
library's messages are formatted and rate-limited like our own.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import orjson
import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder
from structlog.stdlib import ProcessorFormatter

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

    from streamer.config import LogSettings

BURST = 5  # messages of one kind let through in a row
PERIOD_S = 10.0  # until that kind may speak again
MAX_KINDS = 1000  # a library that formats its own messages must not fill memory


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events are sentences, with what varies as key=value."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure(
    settings: LogSettings,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send every log message of this process to `stream` (standard error) from here on."""
    output: TextIO = stream if stream is not None else sys.stderr
    console = settings.format == "console" or (settings.format == "auto" and output.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
    ]
    handler = RateLimitedHandler(output, clock)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                ProcessorFormatter.remove_processors_meta,
                *(_console(output) if console else _json(settings.level == "debug")),
            ],
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, RateLimitedHandler):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a log that can't be written is no reason for a traceback


def _console(stream: TextIO) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        pad_event_to=0,
        pad_level=False,
        exception_formatter=structlog.dev.plain_traceback,  # others print local variables
    )
    return [_short_name, renderer]


def _short_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """On a terminal our own modules need no name; others say whose message it is."""
    if str(event.get("logger", "")).partition(".")[0] == "streamer":
        del event["logger"]
    return event


def _json(callsite: bool) -> list[Processor]:
    parameters = [CallsiteParameter.PATHNAME, CallsiteParameter.LINENO] if callsite else []
    return [
        *([CallsiteParameterAdder(parameters)] if parameters else []),
        structlog.processors.format_exc_info,
        _ecs_names,
        structlog.processors.JSONRenderer(serializer=_dumps),
    ]


def _ecs_names(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The names of ECS logging, in its order; the rest as it is."""
    named: EventDict = {
        "@timestamp": event.pop("timestamp"),
        "log.level": event.pop("level"),
        "message": str(event.pop("event")),
        "log.logger": event.pop("logger", ""),
    }
    if "exception" in event:
        named["error.stack_trace"] = event.pop("exception")
    named.update(event)
    return named


def _dumps(value: Any, default: Callable[[Any], Any] | None = None, **_: Any) -> str:
    return orjson.dumps(value, default=default or str, option=orjson.OPT_NON_STR_KEYS).decode()


# ------------------------------------------------------------- rate limiting
@dataclass(slots=True)
class _Kind:
    """One message's recent history."""

    since: float
    passed: int = 0
    suppressed: int = 0
    level: int = logging.INFO


class RateLimitedHandler(logging.StreamHandler[TextIO]):
    """Writes the first BURST messages of a kind in PERIOD_S, and counts the others.

    A kind is a logger and a message before its values are put in. The count is
    told when the period is over and anything is logged, and at the end.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._next_sweep = clock() + PERIOD_S

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now >= self._next_sweep or len(self._kinds) >= MAX_KINDS:
            self._sweep(now)
        kind = self._kinds.setdefault(_kind_of(record), _Kind(now))
        if kind.passed < BURST:
            kind.passed += 1
            super().emit(record)
        else:
            kind.suppressed += 1
            kind.level = max(kind.level, record.levelno)

    def _sweep(self, now: float, *, everything: bool = False) -> None:
        """Tell and forget the kinds whose period is over (all of them if they are too many)."""
        everything = everything or len(self._kinds) >= MAX_KINDS
        for key, kind in list(self._kinds.items()):
            if everything or now - kind.since >= PERIOD_S:
                del self._kinds[key]
                if kind.suppressed:
                    super().emit(_summary(*key, kind, now - kind.since))
        self._next_sweep = min(
            (kind.since + PERIOD_S for kind in self._kinds.values()), default=now + PERIOD_S
        )

    def close(self) -> None:
        """Tell what is still untold."""
        self.acquire()
        try:
            self._sweep(self._clock(), everything=True)
        finally:
            self.release()
        super().close()


def _kind_of(record: logging.LogRecord) -> tuple[str, str]:
    message = record.msg
    if isinstance(message, dict):  # structlog's, on its way to the formatter
        message = message.get("event", "")
    return record.name, str(message)


def _summary(name: str, message: str, kind: _Kind, seconds: float) -> logging.LogRecord:
    text = "%d more messages like this one in %.0f s: %s"
    return logging.LogRecord(
        name, kind.level, __file__, 0, text, (kind.suppressed, seconds, message), None
    )
