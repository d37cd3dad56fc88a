# SPDX-License-Identifier: Apache-2.0
"""What a test needs from the machine: absent, it is skipped; in CI, it fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def require(condition: bool, reason: str) -> None:
    """Skips the running test unless `condition`; fails it where STREAMER_REQUIRE_ALL=1."""
    if condition:
        return
    if os.environ.get("STREAMER_REQUIRE_ALL") == "1":
        pytest.fail(f"needed here: {reason}")
    pytest.skip(reason)


def others_can_read(path: Path) -> bool:
    """Whether other users get there."""
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path, *path.parents))


def skip_unless_others_can_read() -> None:
    """Skips, in CI too, where other users can't read the checkout: /root is a place to have it."""
    places = (Path(__file__).resolve().parent, Path(sys.executable).absolute().parent)
    if not all(map(others_can_read, places)):
        pytest.skip("this folder is closed to other users")
