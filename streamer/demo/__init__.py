# SPDX-License-Identifier: Apache-2.0
"""The demonstration: real servers and real traffic on one machine."""

from __future__ import annotations


def command() -> int:
    """Run the demo; the exit code. Imported late: the tests use the broker alone."""
    from streamer.demo.run import command as run  # noqa: PLC0415

    return run()
