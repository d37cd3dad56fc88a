# SPDX-License-Identifier: Apache-2.0
"""Writes the generated files: `python -m streamer.schema [REPOSITORY]`."""

from __future__ import annotations

import sys
from pathlib import Path

from . import TOPICS
from .files import write


def main() -> None:
    """Write what differs and name it."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    for path in write(TOPICS.values(), root):
        sys.stdout.write(f"{path}\n")


main()
