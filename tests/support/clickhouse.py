# SPDX-License-Identifier: Apache-2.0
"""Fixtures with a real ClickHouse (chDB behind its HTTP interface)."""

from __future__ import annotations

import asyncio
import importlib.util
import uuid
from typing import TYPE_CHECKING

import pytest

from streamer.demo.clickhouse import ClickHouse
from tests.support.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """One server for the whole run; leave it running, and use a database of your own."""
    require(importlib.util.find_spec("chdb") is not None, "no chDB: install streamer[demo]")
    server = ClickHouse(tmp_path_factory.mktemp("clickhouse"))
    try:
        asyncio.run(server.start())
        yield server
    finally:
        server.kill()


@pytest.fixture
def mortal_clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    """A server for one test, which may stop, kill and restart it. It is not started yet."""
    require(importlib.util.find_spec("chdb") is not None, "no chDB: install streamer[demo]")
    server = ClickHouse(tmp_path / "clickhouse")
    yield server
    server.kill()


@pytest.fixture
def database() -> str:
    """A database name that no other test uses."""
    return f"test_{uuid.uuid4().hex[:12]}"
