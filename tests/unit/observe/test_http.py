# SPDX-License-Identifier: Apache-2.0
"""The status listener over real HTTP."""

from __future__ import annotations

import io
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from streamer.config import HttpSettings, LogSettings
from streamer.observe import logs
from streamer.observe.http import StatusServer
from streamer.observe.ledger import Ledger
from streamer.observe.metrics import make_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def listening(
    settings: HttpSettings | None = None,
    *,
    healthy: dict[str, str | None] | None = None,
    ready: dict[str, str | None] | None = None,
) -> AsyncIterator[StatusServer]:
    server = StatusServer(
        settings or HttpSettings(port=0),
        make_registry(Ledger, lambda: True),
        healthy=lambda: healthy or {},
        ready=lambda: ready or {},
    )
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


async def get(server: StatusServer, path: str, **headers: str) -> tuple[int, str, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}{path}", headers=headers) as response,
    ):
        return response.status, response.headers["Content-Type"], await response.text()


async def test_metrics_in_both_formats() -> None:
    async with listening() as server:
        status, kind, text = await get(server, "/metrics")
        assert (status, kind.partition(";")[0]) == (200, "text/plain")
        assert "\nstreamer_kafka_up 1.0\n" in text
        assert "process_cpu_seconds_total" in text
        status, kind, text = await get(server, "/metrics", Accept="application/openmetrics-text")
        assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
        assert text.endswith("# EOF\n")


@pytest.mark.parametrize("name", ["healthy", "ready"])
@pytest.mark.parametrize("reason", [None, "no broker answers"])
async def test_conditions(name: str, reason: str | None) -> None:
    path = {"healthy": "/healthz", "ready": "/readyz"}[name]
    other = {"healthy": "/readyz", "ready": "/healthz"}[name]
    state = {"capture": None, "kafka": reason}
    async with listening(
        healthy=state if name == "healthy" else None, ready=state if name == "ready" else None
    ) as server:
        status, kind, text = await get(server, path)
        assert status == (503 if reason else 200)
        assert kind.startswith("application/json")
        assert json.loads(text) == {
            "ok": not reason,
            "checks": {"capture": "ok", "kafka": reason or "ok"},
        }
        assert (await get(server, other))[0] == 200


async def test_nothing_else() -> None:
    async with listening() as server:
        assert "/readyz" in (await get(server, "/"))[2]
        assert (await get(server, "/absent"))[0] == 404


@pytest.mark.usefixtures("restored_logging")
async def test_a_taken_port_is_a_warning() -> None:
    said = io.StringIO()
    logs.configure(LogSettings(), stream=said)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with listening(HttpSettings(port=port)) as server:
            assert server.port is None
    line = json.loads(said.getvalue())
    assert line["log.level"] == "warning"
    assert line["address"] == f"127.0.0.1:{port}"


@pytest.mark.usefixtures("restored_logging")
async def test_a_port_that_was_not_asked_for_is_told() -> None:
    said = io.StringIO()
    logs.configure(LogSettings(), stream=said)
    async with listening(HttpSettings(port=0)) as server:
        assert json.loads(said.getvalue())["address"] == f"127.0.0.1:{server.port}"


async def test_off() -> None:
    async with listening(HttpSettings(enabled=False)) as server:
        assert server.port is None


async def test_the_port_is_free_again() -> None:
    async with listening() as server:
        port = server.port
        await get(server, "/metrics")
    assert server.port is None
    with pytest.raises(OSError, match=r"refused"):
        socket.create_connection(("127.0.0.1", port or 0), timeout=5)
