# SPDX-License-Identifier: Apache-2.0
"""Follows a topic on the terminal, or into a pipe."""

from streamer.tail.run import command

__all__ = ["command"]
