# SPDX-License-Identifier: Apache-2.0
"""Capture files through the capture program: the same events without a network."""

from streamer.replay.run import command

__all__ = ["command"]
