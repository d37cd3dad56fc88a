# SPDX-License-Identifier: Apache-2.0
"""The small HTTP listener: /metrics, /healthz and /readyz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from streamer.observe.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry

    from streamer.config import HttpSettings

    # What is looked at, and what is wrong with it (None: nothing).
    Condition = Callable[[], Mapping[str, str | None]]

log = get_logger(__name__)

INDEX = "streamer: /metrics /healthz /readyz\n"
SHUTDOWN_TIMEOUT_S = 1.0


class StatusServer:
    """Serves until closed. A port that can't be had is a warning: capture goes on without it.

    `healthy` tells what makes this process useless (restart it), `ready` what
    keeps it from delivering now (wait, or look).
    """

    def __init__(
        self,
        settings: HttpSettings,
        registry: CollectorRegistry,
        *,
        healthy: Condition,
        ready: Condition,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._healthy = healthy
        self._ready = ready
        self._runner: web.AppRunner | None = None
        self.port: int | None = None  # the real one, while listening

    async def start(self) -> None:
        if not self._settings.enabled:
            return
        app = web.Application()
        app.router.add_get("/", self._index)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._readiness)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        site = web.TCPSite(runner, self._settings.host, self._settings.port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            log.warning(
                "no status page: cannot listen",
                address=f"{self._settings.host}:{self._settings.port}",
                reason=error.strerror or str(error),
            )
            return
        self._runner = runner
        self.port = runner.addresses[0][1]
        if self._settings.port == 0:  # whoever asked for any port needs to know which
            log.info("status page", address=f"{self._settings.host}:{self.port}")

    async def aclose(self) -> None:
        runner, self._runner, self.port = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    async def _index(self, _request: web.Request) -> web.Response:
        return web.Response(text=INDEX)

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = encode(self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _health(self, _request: web.Request) -> web.Response:
        return _answer(self._healthy())

    async def _readiness(self, _request: web.Request) -> web.Response:
        return _answer(self._ready())


def _answer(state: Mapping[str, str | None]) -> web.Response:
    """200 when nothing is wrong, else 503; either way, what was looked at."""
    wrong = {name: reason for name, reason in state.items() if reason is not None}
    body = {"ok": not wrong, "checks": {name: reason or "ok" for name, reason in state.items()}}
    return web.json_response(body, status=503 if wrong else 200)
