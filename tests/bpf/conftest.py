# SPDX-License-Identifier: Apache-2.0
"""The object with the switches that these tests need, and the frames, once for all of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.support.capture_object import PROGRAMS, CaptureObject
from tests.support.frames import build, write_capture
from tests.support.tshark import Reading, read

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def frames() -> dict[str, bytes]:
    return build()


@pytest.fixture(scope="session")
def readings(
    frames: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Reading]:
    """tshark's reading of every frame."""
    path = write_capture(tmp_path_factory.mktemp("frames") / "frames.pcap", frames.values())
    return dict(zip(frames, read(path), strict=True))


@pytest.fixture(scope="session")
def replaying() -> Iterator[CaptureObject]:
    """XDP as `streamer replay` uses it."""
    loaded = CaptureObject(["xdp_ingress"], replay=1, use_xdp_load_bytes=1)
    with contextlib.closing(loaded):
        yield loaded


@pytest.fixture(scope="session")
def capturing() -> Iterator[CaptureObject]:
    """Every program, as on an interface."""
    loaded = CaptureObject(PROGRAMS, use_xdp_load_bytes=1)
    with contextlib.closing(loaded):
        yield loaded
