# SPDX-License-Identifier: Apache-2.0
"""The errors that end a command: one sentence, what to do about it, an exit code."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """What the program's end means; the same for every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # or configuration: nothing was attached
    LOSSES = 3  # ended, but events were lost or left undelivered; the ledger says which
    MISSING_PRIVILEGE = 77
    INTERRUPTED = 130


class StreamerError(Exception):
    """Something the user can read and act upon. Never shown with a traceback."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(StreamerError):
    """Options that are wrong, missing, or contradict each other."""

    exit_code = ExitCode.USAGE


class ConfigError(StreamerError):
    """A setting that is not what it must be.

    `origin` is where the value came from (a file, an environment variable, an
    option). A file that can't be used at all has the file as its key.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self,
        key: str,
        got: str,
        expected: str,
        *,
        origin: str | None = None,
        hint: str | None = None,
    ) -> None:
        where = f"{origin}: " if origin and origin != key else ""
        super().__init__(f"{where}{key} is {got}, expected {expected}", hint)
        self.key = key
        self.got = got
        self.expected = expected
        self.origin = origin


class UnknownSettingError(ConfigError):
    """A key that is no setting; `nearest` is the setting that was probably meant."""

    def __init__(self, key: str, nearest: str | None, *, origin: str | None = None) -> None:
        hint = f"did you mean {nearest}?" if nearest else "`streamer config` prints every setting"
        super().__init__(key, "unknown", "a setting of streamer", origin=origin, hint=hint)
        where = f"{origin}: " if origin and origin != key else ""
        self.message = f"{where}{key} is not a setting"
        self.args = (self.message,)
        self.nearest = nearest


class ConfigErrors(ConfigError):
    """Several wrong settings, told together so that they are mended together."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        first = errors[0]
        super().__init__(first.key, first.got, first.expected, origin=first.origin)
        self.errors = tuple(errors)
        lines = [error.message + (f" ({error.hint})" if error.hint else "") for error in errors]
        self.message = f"{len(errors)} settings are wrong\n" + "\n".join(
            f"  {line}" for line in lines
        )
        self.args = (self.message,)


class MissingPrivilege(StreamerError):
    """The process lacks a capability (or root) that the chosen mode needs."""

    exit_code = ExitCode.MISSING_PRIVILEGE


class CaptureError(StreamerError):
    """Packets can't be captured: an interface, a program or a capture file."""


class DeliveryError(StreamerError):
    """Events can't be handed on, in a way that waiting will not mend."""


class ReadError(StreamerError):
    """Events can't be read from Kafka."""
