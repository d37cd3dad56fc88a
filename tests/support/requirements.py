# SPDX-License-Identifier: Apache-2.0
"""What a test needs from the machine: absent, it is skipped; in CI, it fails."""

from __future__ import annotations

import os

import pytest


def require(condition: bool, reason: str) -> None:
    """Skips the running test unless `condition`; fails it where STREAMER_REQUIRE_ALL=1."""
    if condition:
        return
    if os.environ.get("STREAMER_REQUIRE_ALL") == "1":
        pytest.fail(f"needed here: {reason}")
    pytest.skip(reason)
