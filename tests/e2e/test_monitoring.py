# SPDX-License-Identifier: Apache-2.0
"""Rules and dashboard on a real Prometheus that scrapes a real /metrics."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from streamer.config import HttpSettings
from streamer.observe import grafana
from streamer.observe.http import StatusServer
from streamer.observe.metrics import make_registry
from tests.support.monitoring import moving_ledger, prometheus
from tests.support.yaml_files import load_yaml

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "deploy" / "prometheus" / "prometheus.yml"
SCRAPES = 4
VARIABLES = {"$instance": ".*", "$__rate_interval": "1m", "$__range": "1m"}


class Server:
    """The HTTP interface of a Prometheus."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._address = address

    async def get(self, path: str, **parameters: str) -> Any:
        async with self._session.get(f"{self._address}{path}", params=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", answer
        return answer["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = (await self.get("/api/v1/query", query=expression))["result"]
        return result

    async def scraped(self, times: int) -> None:
        """Until streamer has been asked that often."""
        async with asyncio.timeout(30):
            while True:
                found = await self.query('count_over_time(up{job="streamer"}[1m])')
                if found and int(found[0]["value"][1]) >= times:
                    return
                await asyncio.sleep(0.1)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """It has scraped some times, with the committed configuration but for address and pace."""
    start = time.monotonic()
    status = StatusServer(
        HttpSettings(port=0),
        make_registry(
            lambda: moving_ledger(1 + int(10 * (time.monotonic() - start))), lambda: False
        ),
        healthy=dict,
        ready=dict,
    )
    await status.start()
    try:
        configuration = load_yaml(COMMITTED)
        configuration["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        configuration["rule_files"] = [
            str(COMMITTED.parent / name) for name in configuration["rule_files"]
        ]
        (job,) = configuration["scrape_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{status.port}"]}]
        file = tmp_path / "prometheus.yml"
        file.write_text(json.dumps(configuration), encoding="utf-8")
        async with prometheus(file, tmp_path) as address, aiohttp.ClientSession() as session:
            server = Server(session, address)
            await server.scraped(SCRAPES)
            yield server
    finally:
        await status.aclose()


async def test_every_panel_has_data(server: Server) -> None:
    for panel in json.loads(grafana.render())["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            found = await server.query(expression)
            assert found, f"{panel['title']}: {expression}"
            # Each label of the legend tells the lines apart; the ledger moves: no line is NaN.
            for one in found:
                assert float(one["value"][1]) >= 0, (panel["title"], one)
                for label in ("hook", "direction", "reason", "stage", "instance", "version"):
                    if f"{{{{{label}}}}}" in target["legendFormat"]:
                        assert label in one["metric"], (panel["title"], one)
    (instance,) = await server.get(
        "/api/v1/label/instance/values", **{"match[]": "streamer_build_info"}
    )
    assert instance.startswith("127.0.0.1:")


async def test_every_rule_is_evaluated(server: Server) -> None:
    """The ledger loses on purpose, and Kafka is away: these alerts are on their way or fire."""
    expected = {
        "StreamerKafkaDown", "StreamerPacketsDropped", "StreamerPumpPaused", "StreamerEventsFailed",
        "StreamerRecordsRejected", "StreamerRecordsMissing", "StreamerUnaccounted",
    }  # fmt: skip
    async with asyncio.timeout(20):
        while True:
            (group,) = (await server.get("/api/v1/rules"))["groups"]
            states = {rule["name"]: rule["state"] for rule in group["rules"]}
            assert not any(rule.get("lastError") for rule in group["rules"]), group
            if {name for name, state in states.items() if state != "inactive"} == expected:
                break
            await asyncio.sleep(0.2)
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    assert states["StreamerPacketsDropped"] == "firing"  # it waits for nothing
