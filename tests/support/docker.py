# SPDX-License-Identifier: Apache-2.0
"""The image, run by a Docker engine, where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.compose import interpolated, services

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGE: str = interpolated(services())["streamer"]["image"]
START_TIMEOUT_S = 60.0


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the client to its end; what it and the container print."""
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=100, check=check
    )


def require_engine(*, plugin: str | None = None) -> None:
    """Skips where no engine answers, in CI too: a bare machine has none, and can't pull a base."""
    if shutil.which("docker") is None or docker("info", check=False).returncode:
        pytest.skip("no Docker engine answers")
    if plugin is not None and docker(plugin, "version", check=False).returncode:
        pytest.skip(f"there is no docker {plugin}")


@pytest.fixture(scope="session")
def image() -> str:
    """The image's name; it must have been built."""
    require_engine()
    if docker("image", "inspect", IMAGE, check=False).returncode:
        pytest.skip(f"there is no image {IMAGE}: docker compose build streamer")
    return IMAGE


class Container:
    """One that runs, or has ended."""

    def __init__(self, identity: str) -> None:
        self.identity = identity

    def state(self) -> dict[str, Any]:
        """Whether it runs, its health, its exit code, as the engine tells."""
        state: dict[str, Any] = json.loads(
            docker("inspect", "--format", "{{json .State}}", self.identity).stdout
        )
        return state

    @property
    def said(self) -> str:
        """Everything it printed until now."""
        logs = docker("logs", self.identity)
        return logs.stdout + logs.stderr

    def until_healthy(self) -> None:
        """By its own health check."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (state := self.state())["Health"]["Status"] != "healthy":
            assert state["Running"], self.said
            assert time.monotonic() < deadline, f"{state}\n{self.said}"
            time.sleep(0.1)

    def stop(self, deadline_s: int) -> int:
        """SIGTERM; its exit code. 137 would mean that it was killed at the deadline."""
        docker("stop", "--time", str(deadline_s), self.identity)
        return int(self.state()["ExitCode"])


@contextmanager
def container(image: str, options: Sequence[str], *command: str) -> Iterator[Container]:
    """Start one with only what `options` give; it is removed at the end."""
    started = docker("run", "--detach", *options, image, *command)
    running = Container(started.stdout.strip())
    try:
        yield running
    finally:
        docker("rm", "--force", "--volumes", running.identity)
