# SPDX-License-Identifier: Apache-2.0
"""`streamer elasticsearch apply` and a stand-in for the server parts that the tests have not got.

The real server of tests/e2e lacks constant_keyword, lifecycle policies and ingest processors:
those answers are made here, shaped as Elasticsearch's reference shows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streamer.elastic import Client, State, apply, plan
from streamer.errors import StreamerError
from streamer.schema.elastic import FULL, REDUCED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WRAPPED = {
    "_component_template": ("component_templates", "component_template"),
    "_index_template": ("index_templates", "index_template"),
}


def as_returned(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """As the server gives it back: settings as text, defaults spelled out."""
    if kind == "_index_template":
        return body | {"data_stream": {"hidden": False, "allow_custom_routing": False}}
    if kind == "_ilm/policy":
        return {"version": 1, "modified_date": "2026-11-25T00:00:00.000Z", **body}
    return body


class StandIn:
    """Keeps what is put, and answers questions with `refused` types and settings."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.refused: tuple[str, ...] = ()
        self.status = 200
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if self.status != 200:
            return web.json_response({"error": {"reason": "no"}}, status=self.status)
        if request.method == "POST":
            text = await request.text()
            wrong = [word for word in self.refused if word in text]
            error = {"error": {"caused_by": {"reason": f"no {wrong}"}}}
            return web.json_response(error if wrong else {}, status=400 if wrong else 200)
        if request.method == "PUT":
            self.kept[path] = await request.json()
            return web.json_response({"acknowledged": True})
        if path.startswith("_resolve/index/"):
            return web.json_response({"indices": [], "aliases": [], "data_streams": []})
        return self.get(path)

    def get(self, path: str) -> web.Response:
        kind, _, name = path.rpartition("/") if "/" in path else (path, "", "")
        found = {
            key.rpartition("/")[2]: as_returned(kind, body)
            for key, body in self.kept.items()
            if key == path or (not name and key.startswith(f"{kind}/"))
        }
        if name and not found:
            return web.json_response({"error": {"reason": f"[{name}] missing"}}, status=404)
        if kind in WRAPPED:
            many, one = WRAPPED[kind]
            listed = [{"name": key, one: body} for key, body in found.items()]
            return web.json_response({many: listed})
        return web.json_response(found)


@pytest.fixture
async def stand_in() -> AsyncIterator[tuple[StandIn, Client]]:
    server = StandIn()
    async with TestServer(server.app) as listening:
        yield server, Client(str(listening.make_url("/")))


async def test_a_full_server_gets_everything_once(stand_in: tuple[StandIn, Client]) -> None:
    server, client = stand_in
    planned = await plan(client)
    assert planned.support == FULL
    assert {step.state for step in planned.steps} == {State.CREATE}
    assert server.kept == {}
    await apply(client, planned)
    assert {path.split("/")[0] for path in server.kept} == {
        "_component_template", "_index_template", "_ilm", "_ingest",
    }  # fmt: skip
    again = await plan(client)
    assert again.changes == ()
    assert again.obstacles == ()
    assert {step.resource.path for step in again.steps if step.state is State.KEPT} == {
        "_ilm/policy/logs-streamer.packet",
        "_ilm/policy/metrics-streamer.stats",
        "_component_template/logs-streamer.packet@custom",
        "_component_template/metrics-streamer.stats@custom",
    }


async def test_what_a_server_lacks_is_not_put(stand_in: tuple[StandIn, Client]) -> None:
    server, client = stand_in
    server.refused = ("constant_keyword", "lifecycle")
    planned = await plan(client)
    assert planned.support == REDUCED
    await apply(client, planned)
    assert not any(path.startswith("_ilm") for path in server.kept)
    assert "constant_keyword" not in str(server.kept)
    pipeline = server.kept["_ingest/pipeline/logs-streamer.packet@constants"]
    assert {"set": {"field": "event.category", "value": ["network"]}} in pipeline["processors"]


async def test_what_a_user_changed_is_kept_and_what_is_ours_is_mended(
    stand_in: tuple[StandIn, Client],
) -> None:
    server, client = stand_in
    await apply(client, await plan(client))
    longer: dict[str, Any] = {"policy": {"phases": {}}}
    server.kept["_ilm/policy/logs-streamer.packet"] = longer
    settings = "_component_template/logs-streamer.packet@settings"
    server.kept[settings]["template"]["settings"]["index"]["refresh_interval"] = "1h"
    planned = await plan(client)
    assert [(step.resource.path, step.state) for step in planned.changes] == [
        (settings, State.UPDATE)
    ]
    await apply(client, planned)
    assert (await plan(client)).changes == ()
    assert server.kept["_ilm/policy/logs-streamer.packet"] is longer


async def test_a_foreign_pipeline_of_the_same_name(stand_in: tuple[StandIn, Client]) -> None:
    server, client = stand_in
    server.kept["_ingest/pipeline/streamer@identity"] = {"processors": []}
    (obstacle,) = (await plan(client)).obstacles
    assert obstacle.what == "_ingest/pipeline/streamer@identity is there, and not ours"


async def test_a_server_in_trouble(stand_in: tuple[StandIn, Client]) -> None:
    server, client = stand_in
    server.status = 503
    with pytest.raises(StreamerError, match="refused GET _index_template: no"):
        await plan(client)
