# SPDX-License-Identifier: Apache-2.0
"""The errors streamer shows its user: what happened, on what, and what to do about it."""

from __future__ import annotations


class StreamerError(Exception):
    """A failure with one sentence for the user, a hint, and the exit code it leads to."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DeliveryError(StreamerError):
    """Events could not be handed to their destination."""
